/* Events (an expression crosses zero) and schedules (fixed instants), with the meaning they have in twinkit: what
 * happens is judged from the signs before, each event happens once per instant, and one that has just happened must
 * leave zero before it can happen again. */

static double sign_of(double value) { return value > 0.0 ? 1.0 : value < 0.0 ? -1.0 : 0.0; }

static int crossed(double sign, double value, int direction) {
    return (sign < 0.0 && value >= 0.0 && direction >= 0) || (sign > 0.0 && value <= 0.0 && direction <= 0);
}

/* When instant k of schedule i is, in the model's time unit; infinite when there is none. */
static double instant(int i, int k) {
    const Schedule *plan = &SCHEDULES[i];
    if (k < 0 || (plan->count >= 0 && k >= plan->count)) return INFINITY;
    return plan->times ? plan->times[k] : plan->first + k * plan->period;
}

/* Rounding when a time passes through seconds and back. */
static double slack(double t) { return 1e-12 * fmax(1.0, fabs(t)); }

static void begin_schedules(Instance *c) {
    double t = model_time(c);
    for (int i = 0; i < NS; i++) {
        int k = 0;
        if (!SCHEDULES[i].times && t > SCHEDULES[i].first) {
            double passed = floor((t - SCHEDULES[i].first) / SCHEDULES[i].period);
            k = passed > 2e9 ? 2000000000 : passed > 1.0 ? (int)passed - 1 : 0;
        }
        while (instant(i, k) < t - slack(t)) k++;
        c->s.next[i] = k;
    }
}

static double next_scheduled(const Instance *c) {
    double first = INFINITY;
    for (int i = 0; i < NS; i++) first = fmin(first, instant(i, c->s.next[i]));
    return first;
}

/* Whether an event repeats without end: its intervals shrink geometrically, towards an instant that is about to come
 * (a ball whose bounces never stop). Later, the excursions between events would drown in the tolerance and the event be
 * missed. */
static int accumulates(Instance *c, int e) {
    double *past = c->s.past[e], smallest = INFINITY, largest = 0.0, last = 0.0, elapsed = c->s.time - c->s.begin;
    memmove(past, past + 1, sizeof(double) * (SERIES - 1));
    past[SERIES - 1] = c->s.time;
    if (c->s.counts[e] < SERIES) c->s.counts[e]++;
    if (c->s.counts[e] < SERIES) return 0;
    for (int i = 2; i < SERIES; i++) {
        double before = past[i - 1] - past[i - 2], ratio;
        last = past[i] - past[i - 1];
        if (!(before > 0.0 && last > 0.0)) return 0;
        ratio = last / before;
        smallest = fmin(smallest, ratio);
        largest = fmax(largest, ratio);
    }
    return largest <= 0.98 && largest - smallest <= 0.05 && last * largest / (1.0 - largest) < 1e-4 * elapsed;
}

/* Let happening i (events, then schedules) change states and modes. */
static Status happen(Instance *c, int i) {
    double t = model_time(c), x[AT_LEAST_ONE(NX)], modes[AT_LEAST_ONE(NM)];
    call(c, JUMPS[i], &t, c->s.y, x, modes);
    if (!all_finite(x, NX) || !all_finite(modes, NM))
        return say(c, ERROR, "%s at %g s: '%s' sets a value that is not finite", MODEL_NAME, c->s.time, HAPPENINGS[i]);
    memcpy(c->s.y, x, sizeof(double) * NX);
    memcpy(c->s.u + NU, modes, sizeof(double) * NM);
    c->s.step = 0.0;
    if (i < NR && STOPS[i]) c->s.stopped = 1;
    touched(c, 1);
    return settle(c);
}

static Status remember_signs(Instance *c, const int *happened) {
    Status status = need_roots(c);
    if (status != OK) return status;
    for (int e = 0; e < NR; e++) c->s.signs[e] = happened && happened[e] ? 0.0 : sign_of(c->roots[e]);
    return OK;
}

/* Let an event happen (-1: none), and then those that it brings about or that fall on the same instant. */
static Status cascade(Instance *c, int first, int *any) {
    int happened[AT_LEAST_ONE(NR)] = {0}, due = first;
    Status status = OK;
    if (NR == 0) return OK;
    for (;;) {
        if (due >= 0) {
            if (accumulates(c, due))
                return say(c, ERROR, "%s at %g s: events '%s' follow each other without end; let the model come to rest",
                           MODEL_NAME, c->s.time, HAPPENINGS[due]);
            happened[due] = *any = 1;
            status = happen(c, due);
        }
        if (status == OK) status = need_roots(c);
        if (status != OK) return status;
        for (due = 0; due < NR; due++)
            if (!happened[due] && crossed(c->s.signs[due], c->roots[due], DIRECTIONS[due])) break;
        if (due == NR) return remember_signs(c, happened);
    }
}

/* Let everything happen that is scheduled for now. */
static Status happen_as_scheduled(Instance *c, int *any) {
    double t = model_time(c);
    for (int i = 0; i < NS; i++)
        while (instant(i, c->s.next[i]) <= t + slack(t)) {
            Status status = happen(c, NR + i);
            c->s.next[i]++;
            *any = 1;
            if (status == OK) status = cascade(c, -1, any);
            if (status != OK) return status;
        }
    return OK;
}
