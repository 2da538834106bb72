(function () {
  "use strict";

  const data = JSON.parse(document.getElementById("data").textContent);
  const PHONE = 720, AXIS = 62, STRIP = 92, SINGLE = 200, SCORE = 180;
  const LINES = ["--data", "--amber", "--calm", "--blue", "--red", "--soft"];
  const groups = [];
  let form = Object.values(data.drives)[0] === "final" ? "final" : "causal";
  let chosen = null;
  document.body.dataset.form = form;

  // ---- data ----------------------------------------------------------------------------------

  function decode(text, Kind) {
    return new Kind(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  }

  function times(text) {
    return Array.from(decode(text, Float64Array));
  }

  function numbers(packed) {
    return Array.from(decode(packed.data, Float32Array), (x) => (x === x ? x + packed.base : null));
  }

  // ---- looks ---------------------------------------------------------------------------------

  function color(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function translucent(name, percent) {
    return "color-mix(in srgb, " + color(name) + " " + percent + "%, transparent)";
  }

  const rankColor = (rank) => ["--red", "--amber", "--blue"][rank];
  const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 4 });
  const plain = new Intl.NumberFormat("en", { maximumSignificantDigits: 5 });
  const rough = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

  function short(x) {
    if (x === null || x === undefined) return "–";
    const size = Math.abs(x);
    if (size >= 1e5) return compact.format(x);
    return size !== 0 && size < 1e-3 ? x.toExponential(2) : plain.format(x);
  }

  // Ratios are kept bent: even steps up to the alarm line, one step for every factor of e above.
  const bend = (r) => (r > 1 ? 1 + Math.log(r) : r);
  const unbend = (v) => (v > 1 ? Math.exp(v - 1) : v);

  function ratio(v) {
    if (v === null || v === undefined) return "–";
    const r = unbend(v);
    return (r >= 1e5 ? r.toExponential(1) : rough.format(r)) + " ×";
  }

  const utc = uPlot.fmtDate("{D} {MMM} {YYYY}, {HH}:{mm}:{ss}");
  const DAY = "\n{D} {MMM}", FULL = "\n{D} {MMM} {YYYY}";
  const CALENDAR = [
    [31536000, "{YYYY}", null, null, null, null, null, null, 1],
    [2419200, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
    [86400, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
    [3600, "{HH}:{mm}", FULL, null, DAY, null, null, null, 1],
    [60, "{HH}:{mm}", FULL, null, DAY, null, null, null, 1],
    [1, ":{ss}", FULL + " {HH}:{mm}", null, DAY + " {HH}:{mm}", null, "\n{HH}:{mm}", null, 1],
    [0.001, ":{ss}.{fff}", FULL + " {HH}:{mm}", null, DAY + " {HH}:{mm}", null, "\n{HH}:{mm}", null, 1],
  ];

  function when(x) {
    if (x === null || x === undefined) return "";
    return data.counts ? plain.format(x) + " s" : utc(uPlot.tzDate(new Date(x * 1e3), "Etc/UTC"));
  }

  // ---- charts --------------------------------------------------------------------------------

  function bands(group) {
    return (u) => {
      const c = u.ctx, r = devicePixelRatio;
      c.save();
      c.beginPath();
      c.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
      c.clip();
      for (const label of group.series.labels) hatch(u, c, r, label);
      for (const band of group.series.bands) {
        const left = u.valToPos(band.start, "x", true), right = u.valToPos(band.end, "x", true);
        const width = Math.max(2 * r, right - left), name = rankColor(band.rank);
        c.fillStyle = translucent(name, band === chosen ? 26 : 14);
        c.fillRect(left, u.bbox.top, width, u.bbox.height);
        c.fillStyle = color(name);
        c.fillRect(left, u.bbox.top, width, 2 * r);
      }
      c.restore();
    };
  }

  // A labelled event: hatched, with a bar along the bottom, where episodes have theirs on top.
  function hatch(u, c, r, label) {
    const { top, height, left: first, width: whole } = u.bbox, step = 7 * r;
    const from = u.valToPos(label.start, "x", true), to = u.valToPos(label.end, "x", true);
    const left = Math.max(from, first - step), right = Math.min(Math.max(to, from + 3 * r), first + whole + step);
    if (right <= left) return;
    c.save();
    c.beginPath();
    c.rect(left, top, right - left, height);
    c.clip();
    c.strokeStyle = translucent("--label", label === chosen ? 75 : 42);
    c.lineWidth = r;
    c.beginPath();
    for (let x = left - height - ((left - height) % step); x < right; x += step) {
      c.moveTo(x, top + height);
      c.lineTo(x + height, top);
    }
    c.stroke();
    c.fillStyle = color("--label");
    c.fillRect(left, top + height - 4 * r, right - left, 4 * r);
    c.restore();
  }

  function alarmLine(u) {
    const c = u.ctx, r = devicePixelRatio, y = Math.round(u.valToPos(1, "y", true));
    if (!(y >= u.bbox.top && y <= u.bbox.top + u.bbox.height)) return;
    c.save();
    c.strokeStyle = c.fillStyle = color("--red");
    c.lineWidth = r;
    c.setLineDash([5 * r, 4 * r]);
    c.beginPath();
    c.moveTo(u.bbox.left, y);
    c.lineTo(u.bbox.left + u.bbox.width, y);
    c.stroke();
    c.font = 11 * r + "px " + color("--sans");
    c.textAlign = "right";
    c.fillText("alarm line", u.bbox.left + u.bbox.width - 4 * r, y - 5 * r);
    c.restore();
  }

  function font() {
    return "12px " + color("--sans");
  }

  function across(shown) {
    return {
      show: true,
      size: shown ? 46 : 8,
      font: font(),
      stroke: color("--soft"),
      grid: { stroke: color("--rule"), width: 1 },
      ticks: { show: false },
      gap: 6,
      values: shown ? (data.counts ? (u, splits) => splits.map(short) : CALENDAR) : () => [],
    };
  }

  function upward(values, splits) {
    return {
      size: AXIS,
      font: font(),
      stroke: color("--soft"),
      grid: { stroke: color("--rule"), width: 1 },
      ticks: { show: false },
      gap: 8,
      space: 28,
      values,
      splits,
    };
  }

  function chart(group, host, kind, height, series, columns, y, draw, last) {
    const box = document.createElement("div");
    box.className = kind;
    host.append(box);
    const u = new uPlot(
      {
        width: host.clientWidth,
        height: height,
        tzDate: (x) => uPlot.tzDate(new Date(x * 1e3), "Etc/UTC"),
        padding: [8, 22, 0, 0],
        cursor: {
          sync: { key: group.key, filters: { pub: (type) => /^mouse(move|leave)$/.test(type) } },
          y: false,
          drag: { x: true, y: false, setScale: true },
          points: { size: 6 },
        },
        scales: { x: { time: !data.counts }, y: y.scale },
        axes: [across(last), upward(y.values, y.splits)],
        series: [{ label: data.counts ? "at" : "UTC", value: (_, x) => when(x) }, ...series],
        hooks: { drawClear: [bands(group)], draw: draw, setScale: [(_, key) => key === "x" && spread(group, u)] },
      },
      columns,
      box
    );
    u.over.setAttribute("role", "img");
    u.over.setAttribute("aria-label", group.series.name + ": " + series.map((s) => s.label).join(", "));
    group.charts.push({ u, height });
    return u;
  }

  // A zoom of one chart is the zoom of all charts of its series.
  function spread(group, from) {
    if (group.busy || !from || !group.ready) return;
    group.busy = true;
    const { min, max } = from.scales.x;
    for (const { u } of group.charts) if (u !== from) u.setScale("x", { min, max });
    group.busy = false;
    group.whole.hidden = min <= group.span[0] && max >= group.span[1];
  }

  function line(label, stroke, value) {
    return { label, stroke, width: 1.25, value: (_, x) => value(x), points: { show: false }, spanGaps: false };
  }

  function drawValues(group, host) {
    const values = group.series.values;
    if (!values) return [];
    const x = times(values.time), n = values.channels.length;
    for (const channel of values.channels) {
      chart(
        group, host, "strip", n > 1 ? STRIP : SINGLE,
        [line(channel.name, color("--data"), short)],
        [x, numbers(channel)],
        { scale: { range: padded }, values: (u, splits) => splits.map(short) },
        [], false
      );
    }
    return x;
  }

  function padded(u, low, high) {
    if (low === null) return [0, 1];
    const room = (high - low) * 0.08 || Math.abs(high) * 0.05 || 1;
    return [low - room, high + room];
  }

  const TICKS = [0, 0.5, 1, 2, 5, 10, 20, 50, 100, 1e3, 1e4, 1e6, 1e9, 1e12];

  function drawScores(group, host) {
    const tables = [], series = [];
    group.forms = [];
    group.series.scores.forEach((score, i) => {
      const stroke = color(LINES[i % LINES.length]), table = [times(score.time)];
      for (const name of score.final ? ["causal", "final"] : ["causal"]) {
        const drives = !score.final || data.drives[score.detector] === name;
        const label = score.detector + (score.final ? ", " + name : "") + (drives ? "" : ", raises no alerts");
        table.push(numbers(score[name]).map((r) => (r === null ? null : bend(r))));
        series.push({
          ...line(label, stroke, ratio),
          class: "form-" + (score.final ? name : "only"),
          show: !score.final || name === form,
        });
        group.forms.push(score.final ? name : null);
      }
      tables.push(table);
    });
    const columns = tables.length > 1 ? uPlot.join(tables) : tables[0];
    group.score = chart(
      group, host, "score", SCORE, series, columns,
      {
        scale: { range: (u, low, high) => [Math.min(0, low === null ? 0 : low), Math.max(1.35, (high || 0) * 1.06)] },
        splits: (u, axis, low, high) => spaced(TICKS.map(bend).filter((v) => v <= high), high),
        values: (u, splits) => splits.map(ratio),
      },
      [alarmLine], true
    );
    return columns[0];
  }

  // The alarm line, and as many other ticks as fit.
  function spaced(ticks, high) {
    const room = high / 6, kept = [1];
    for (const v of ticks) if (kept.every((other) => Math.abs(other - v) >= room)) kept.push(v);
    return kept.sort((a, b) => a - b);
  }

  function build(group) {
    if (group.charts.length) return;
    const host = group.element.querySelector(".charts");
    host.replaceChildren();
    const values = drawValues(group, host), scores = drawScores(group, host);
    const ends = [values, scores].filter((x) => x.length);
    group.span = ends.length
      ? [Math.min(...ends.map((x) => x[0])), Math.max(...ends.map((x) => x[x.length - 1]))]
      : [0, 1];
    group.ready = true;
    zoom(group, group.window || group.span);
  }

  function zoom(group, [min, max]) {
    group.charts[0].u.setScale("x", { min, max });
    for (const { u } of group.charts.slice(1)) u.setScale("x", { min, max });
  }

  function destroy(group) {
    if (!group.charts.length) return;
    const { min, max } = group.charts[0].u.scales.x;
    group.window = group.whole.hidden ? null : [min, max];
    group.ready = false;
    for (const { u } of group.charts) u.destroy();
    group.charts = [];
    group.score = null;
  }

  // ---- the page ------------------------------------------------------------------------------

  document.querySelectorAll("article").forEach((element) => {
    const series = data.series[element.dataset.index];
    const group = { element, series, charts: [], key: "s" + element.dataset.index, busy: false, ready: false };
    group.whole = element.querySelector(".whole");
    group.whole.addEventListener("click", () => {
      choose(null);
      zoom(group, group.span);
    });
    groups.push(group);
  });

  function choose(row, band) {
    document.querySelectorAll(".chosen").forEach((other) => other.classList.remove("chosen"));
    chosen = row ? band : null;
    if (row) row.classList.add("chosen");
    for (const group of groups) for (const { u } of group.charts) u.redraw(false, false);
  }

  function show(row) {
    const group = groups.find((g) => g.series.name === row.dataset.series);
    const band = group && (group.series.bands.find((b) => b.id === row.id) || group.series.labels[row.dataset.label]);
    if (!band) return;
    build(group);
    const [first, last] = group.span;
    const around = Math.max(1.5 * (band.end - band.start), Math.min((last - first) / 4, 60 * (last - first) / Math.max(group.series.rows - 1, 1)));
    choose(row, band);
    zoom(group, [Math.max(first, band.start - around), Math.min(last, band.end + around)]);
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    group.element.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
    history.replaceState(null, "", "#" + row.id);
  }

  document.querySelectorAll(".charted").forEach((row) => {
    row.addEventListener("click", () => {
      if (String(getSelection()) === "") show(row);
    });
  });

  document.querySelectorAll("th[data-sort]").forEach((head) => {
    head.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending", key = head.dataset.sort;
      document.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const value = (row) => (key === "text" ? row.dataset.series : Number(row.dataset[key]));
      const rows = [...document.querySelectorAll(".episode")];
      rows.sort((a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0) * (up ? 1 : -1));
      head.closest("table").append(...rows);
    });
  });

  document.querySelectorAll("#form input").forEach((input) => {
    input.checked = input.value === form;
    input.addEventListener("change", () => {
      form = document.body.dataset.form = input.value;
      for (const group of groups)
        if (group.score)
          group.forms.forEach((name, i) => name && group.score.setSeries(i + 1, { show: name === form }));
    });
  });

  const seen = new IntersectionObserver(
    (entries) => {
      for (const entry of entries)
        if (entry.isIntersecting) build(groups.find((g) => g.element === entry.target));
    },
    { rootMargin: "600px" }
  );
  groups.forEach((group) => seen.observe(group.element));

  new ResizeObserver(() => {
    for (const group of groups) {
      const width = group.element.clientWidth;
      for (const { u, height } of group.charts) if (u.width !== width) u.setSize({ width, height });
    }
  }).observe(document.querySelector("main"));

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const group of groups.filter((g) => g.charts.length)) {
      destroy(group);
      build(group);
    }
  });

  const linked = location.hash && document.getElementById(location.hash.slice(1));
  if (linked && linked.classList.contains("charted")) show(linked);
  window.streamadReport = { groups, choose };
})();
