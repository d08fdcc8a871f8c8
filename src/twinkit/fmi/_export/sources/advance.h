/* From one communication point to the next, and the modes of model exchange. */

#define MOST_STEPS 1000000
#define MOST_EVENTS 10000

static Status failed(Instance *c, Status status) {
    if (status > WARNING) c->s.phase = FAILED;
    return status;
}

/* Leave initialization: consistent algebraic variables, signs of the events, and in co-simulation what is scheduled. */
static Status begin(Instance *c) {
    int any = 0;
    Status status;
    begin_schedules(c);
    c->s.step = 0.0;
    c->s.stopped = 0;
    c->s.begin = c->s.time;
    touched(c, 1);
    status = need_rates(c);
    if (status == OK) status = remember_signs(c, NULL);
    if (status == OK && !c->exchange) status = happen_as_scheduled(c, &any);
    if (status != OK) return failed(c, ERROR);
    c->s.phase = c->exchange ? EVENT_MODE : STEPPING;
    return OK;
}

/* Integrate from the present time towards `stop` (model's time unit), as far as the first event. */
static Status stretch(Instance *c, double *t, double stop, int *steps, int *event) {
    State *s = &c->s;
    const char *trouble = "";
    double *after = c->fresh;
    *event = -1;
    if (NX == 0) { /* nothing to integrate; events are looked for where the stretch ends */
        *t = stop;
        s->time = stop * SECONDS_PER_UNIT;
        touched(c, 1);
        return OK;
    }
    if (s->step <= 0.0) s->step = first_step(c, *t, stop - *t, s->y);
    while (*t < stop && *event < 0) {
        double h = s->step, taken = take_step(c, *t, stop, &h, s->y, after, &trouble), reached, fraction = 2.0;
        if (taken > 0.0 && ++*steps > MOST_STEPS) trouble = "more than a million steps are needed", taken = 0.0;
        if (taken > 0.0 && NR > 0) {
            fraction = find_event(c, *t, taken, s->y, after, event);
            if (fraction < 0.0) trouble = "an event expression is not finite", taken = 0.0;
        }
        if (!(taken > 0.0)) {
            s->time = *t * SECONDS_PER_UNIT;
            return say(c, ERROR, "%s at %g s: %s", MODEL_NAME, s->time, trouble);
        }
        reached = taken == stop - *t ? stop : *t + taken;
        if (fraction <= 1.0) {
            inside(c, fraction, s->y, after, c->point);
            reached = *t + fraction * taken;
            memcpy(s->y, c->point, sizeof(double) * N);
        } else {
            memcpy(s->y, after, sizeof(double) * N);
        }
        *t = reached;
        s->time = reached * SECONDS_PER_UNIT;
        s->step = h;
        touched(c, 1);
    }
    return OK;
}

/* Co-simulation: advance to `end` seconds with inputs held. Stops early, with OK, where an event ends the run. */
static Status advance(Instance *c, double end) {
    double t = model_time(c), last = end / SECONDS_PER_UNIT;
    int steps = 0, events = 0, any = 0;
    Status status = settle(c);
    if (status == OK) status = cascade(c, -1, &any); /* inputs that have jumped can bring events about */
    while (status == OK && !c->s.stopped && t < last) {
        double stop = fmin(last, next_scheduled(c));
        int event = -1;
        if (stop > t) status = stretch(c, &t, stop, &steps, &event);
        if (status == OK) status = settle(c);
        if (status == OK && event < 0 && t >= last) c->s.time = end; /* not a rounding error away from it */
        any = 0;
        if (status == OK) status = cascade(c, event, &any);
        if (status == OK && !c->s.stopped) status = happen_as_scheduled(c, &any);
        if (any && ++events > MOST_EVENTS)
            status = say(c, ERROR, "%s at %g s: events follow each other without end", MODEL_NAME, c->s.time);
    }
    if (status != OK) return failed(c, ERROR);
    if (!c->s.stopped) {
        c->s.time = end;
        touched(c, EXPLICIT_TIME);
    }
    return OK;
}

/* Check and take one communication step. */
static Status do_step(Instance *c, double from, double length) {
    double span = fmax(fabs(from), fabs(length));
    if (c->exchange || c->s.phase != STEPPING) return say(c, ERROR, "doStep is called before initialization has ended");
    if (!isfinite(from) || !isfinite(length) || !(length > 0.0))
        return say(c, ERROR, "a step of %g s from %g s is not possible", length, from);
    if (fabs(from - c->s.time) > 1e-9 * fmax(1.0, span))
        return say(c, ERROR, "the step begins at %g s, but the FMU is at %g s", from, c->s.time);
    return advance(c, from + length);
}

/* Model exchange: let everything happen that is due at this instant. */
static Status update_discrete(Instance *c, int *changed, double *next_time) {
    int any = 0;
    double next;
    Status status = cascade(c, -1, &any);
    if (status == OK && !c->s.stopped) status = happen_as_scheduled(c, &any);
    if (status != OK) return failed(c, ERROR);
    *changed = any;
    next = next_scheduled(c);
    *next_time = isfinite(next) ? fmax(next * SECONDS_PER_UNIT, c->s.time) : INFINITY;
    return OK;
}

/* Model exchange: a step of the importer's integrator is complete. Signs follow, except those of events now due. */
static Status completed_step(Instance *c, int *enter_event_mode) {
    Status status = need_roots(c);
    *enter_event_mode = 0;
    if (status != OK) return status;
    for (int e = 0; e < NR; e++) {
        if (crossed(c->s.signs[e], c->roots[e], DIRECTIONS[e]))
            *enter_event_mode = 1;
        else
            c->s.signs[e] = sign_of(c->roots[e]);
    }
    return OK;
}
