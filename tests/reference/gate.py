"""Which windows are strange enough not to be learned, one series."""


class Gate:
    def __init__(self, quantile, max_skipped):
        self.quantile, self.max_skipped = quantile, max_skipped
        self.typical = self.limit = 0.0
        self.judged = self.skipped = 0

    def lets_in(self, score):
        """False above the running quantile, at most ``max_skipped`` times in a row."""
        if score > self.limit:  # False for NaN
            self.skipped += 1
            return self.skipped > self.max_skipped
        self.skipped = 0
        return True

    def track(self, score):
        """Robbins-Monro: the quantile rises by the share of steps it should be exceeded in."""
        if score != score:  # NaN
            return
        self.judged += 1
        rate = max(0.01, 1 / self.judged)
        self.typical += rate * (score - self.typical)
        if self.judged == 1:
            self.limit = 2 * score
        self.limit += rate * self.typical * ((score > self.limit) - (1 - self.quantile))
