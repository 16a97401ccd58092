"""When a part of a node that ended is started again, and when it is given up: a pure function of time.

The first pause is short and doubles while the part ends soon after each start. Too many ends within
the window are a failure that an operator has to see. An end that was asked for (a fault command) is
no sign of a failure: it is made good at once, and is not counted.
"""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
CRASHES, WINDOW = 5, 30.0


class Restarts:
    def __init__(self):
        self._pause = SHORTEST_PAUSE
        self._ends = []

    def pause(self, began, now, asked):
        """Seconds to wait after a life from `began` to `now`; None: give it up."""
        if asked:
            return SHORTEST_PAUSE
        self._ends = [one for one in self._ends if now - one < WINDOW] + [now]
        if len(self._ends) >= CRASHES:
            return None
        self._pause = SHORTEST_PAUSE if now - began > WINDOW else min(2 * self._pause, LONGEST_PAUSE)
        return self._pause
