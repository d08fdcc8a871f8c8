/* Variables by value reference: values, derivatives, saved states. */

static const Variable *variable(Instance *c, unsigned int reference) {
    if (reference < NV) return &VARIABLES[reference];
    say(c, ERROR, "there is no variable with value reference %u", reference);
    return NULL;
}

/* Where the values of a variable are, worked out for now. */
static Status values_of(Instance *c, const Variable *v, const double **values) {
    State *s = &c->s;
    Status status = OK;
    switch (v->block) {
        case BLOCK_TIME: *values = &s->time; break;
        case BLOCK_STATE: *values = s->y + v->offset; break;
        case BLOCK_DERIVATIVE: status = need_rates(c); *values = c->rates + v->offset; break;
        case BLOCK_ALGEBRAIC: /* before initialization ends, the guess where there is no solution yet */
            status = settle(c);
            if (status != OK && s->phase <= INITIALIZING) status = OK;
            *values = s->y + NX + v->offset;
            break;
        case BLOCK_INPUT: *values = s->u + v->offset; break;
        case BLOCK_MODE: *values = s->u + NU + v->offset; break;
        case BLOCK_PARAMETER: *values = s->p + v->offset; break;
        case BLOCK_OUTPUT: status = need_outputs(c); *values = c->outputs + v->offset; break;
        case BLOCK_ROOT: status = need_roots(c); *values = c->roots + v->offset; break;
    }
    return status;
}

static Status get_values(Instance *c, const unsigned int *references, size_t count, double *out, size_t room) {
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        const Variable *v = variable(c, references[i]);
        const double *values = NULL;
        Status status;
        if (!v) return ERROR;
        if (at + (size_t)v->size > room) return say(c, ERROR, "there is not room for all values");
        status = values_of(c, v, &values);
        if (status != OK) return status;
        for (int k = 0; k < v->size; k++) out[at++] = v->block == BLOCK_DERIVATIVE ? values[k] / SECONDS_PER_UNIT : values[k];
    }
    return at == room ? OK : say(c, ERROR, "%u values are asked for, but there are %u", (unsigned)room, (unsigned)at);
}

static double *place(Instance *c, const Variable *v) {
    State *s = &c->s;
    int starting = s->phase <= INITIALIZING;
    switch (v->block) {
        case BLOCK_STATE: return starting || c->exchange ? s->y + v->offset : NULL;
        case BLOCK_ALGEBRAIC: return starting ? s->y + NX + v->offset : NULL;
        case BLOCK_INPUT: return s->u + v->offset;
        case BLOCK_MODE: return starting || s->phase == EVENT_MODE ? s->u + NU + v->offset : NULL;
        case BLOCK_PARAMETER: return s->p + v->offset;
        default: return NULL;
    }
}

static Status set_values(Instance *c, const unsigned int *references, size_t count, const double *in, size_t given) {
    size_t at = 0;
    if (c->s.phase >= ENDED) return say(c, ERROR, "a value is set after the run has ended");
    for (size_t i = 0; i < count; i++) { /* all or nothing */
        const Variable *v = variable(c, references[i]);
        if (!v) return ERROR;
        if (!place(c, v)) return say(c, ERROR, "'%s' is calculated and cannot be set now", VARIABLE_NAMES[references[i]]);
        if (at + (size_t)v->size > given) return say(c, ERROR, "there are fewer values than variables need");
        for (int k = 0; k < v->size; k++, at++)
            if (!isfinite(in[at]))
                return say(c, ERROR, "the value given for '%s' is %g", VARIABLE_NAMES[references[i]], in[at]);
    }
    if (at != given) return say(c, ERROR, "%u values are given, but %u are needed", (unsigned)given, (unsigned)at);
    at = 0;
    for (size_t i = 0; i < count; i++) {
        const Variable *v = &VARIABLES[references[i]];
        double *target = place(c, v);
        int changed = memcmp(target, in + at, sizeof(double) * (size_t)v->size) != 0;
        memcpy(target, in + at, sizeof(double) * (size_t)v->size);
        at += (size_t)v->size;
        if (changed) touched(c, 1);
    }
    return OK;
}

/* Derivatives, and seeds, of the blocks at the present point. */
typedef struct {
    double t, x[AT_LEAST_ONE(NX)], z[AT_LEAST_ONE(NZ)], u[AT_LEAST_ONE(NU + NM)], p[AT_LEAST_ONE(NP)];
} Knowns;
typedef struct {
    double dx[AT_LEAST_ONE(NX)], g[AT_LEAST_ONE(NZ)], y[AT_LEAST_ONE(NY)], r[AT_LEAST_ONE(NR)];
} Unknowns;

static double *known(Knowns *k, const Variable *v) {
    switch (v->block) {
        case BLOCK_TIME: return &k->t;
        case BLOCK_STATE: return k->x + v->offset;
        case BLOCK_INPUT: return k->u + v->offset;
        case BLOCK_MODE: return k->u + NU + v->offset;
        case BLOCK_PARAMETER: return k->p + v->offset;
        default: return NULL;
    }
}

static double *unknown(Knowns *k, Unknowns *o, const Variable *v) {
    switch (v->block) {
        case BLOCK_DERIVATIVE: return o->dx + v->offset;
        case BLOCK_ALGEBRAIC: return k->z + v->offset;
        case BLOCK_OUTPUT: return o->y + v->offset;
        case BLOCK_ROOT: return o->r + v->offset;
        default: return known(k, v); /* itself: a state that is also an output */
    }
}

static void point(Instance *c, double *t) {
    *t = model_time(c);
    c->arg[0] = t;
    c->arg[1] = c->s.y;
    c->arg[2] = c->s.y + NX;
    c->arg[3] = c->s.u;
    c->arg[4] = c->s.p;
}

static void forward(Instance *c, const Knowns *k, Unknowns *o) {
    double t;
    point(c, &t);
    c->arg[5] = &k->t;
    c->arg[6] = k->x;
    c->arg[7] = k->z;
    c->arg[8] = k->u;
    c->arg[9] = k->p;
    c->res[0] = o->dx;
    c->res[1] = o->g;
    c->res[2] = o->y;
    c->res[3] = o->r;
    model_forward(c->arg, c->res, c->iw, c->w, 0);
}

static void reverse(Instance *c, const Unknowns *o, Knowns *k) {
    double t;
    point(c, &t);
    c->arg[5] = o->dx;
    c->arg[6] = o->g;
    c->arg[7] = o->y;
    c->arg[8] = o->r;
    c->res[0] = &k->t;
    c->res[1] = k->x;
    c->res[2] = k->z;
    c->res[3] = k->u;
    c->res[4] = k->p;
    model_reverse(c->arg, c->res, c->iw, c->w, 0);
}

/* The algebraic variables follow by the implicit function theorem. */
static Status prepare_derivatives(Instance *c, double *rows) {
    Status status = settle(c);
    if (status != OK || NZ == 0) return status;
    if (!factorise_algebraic(c, model_time(c), c->s.y, rows))
        return say(c, DISCARD, "%s at %g s: the algebraic equations are singular", MODEL_NAME, c->s.time);
    return OK;
}

/* Sizes of lists of variables; -1 with a message where one does not exist. */
static long width(Instance *c, const unsigned int *references, size_t count) {
    long total = 0;
    for (size_t i = 0; i < count; i++) {
        const Variable *v = variable(c, references[i]);
        if (!v) return -1;
        total += v->size;
    }
    return total;
}

static Status check_derivative(Instance *c, const unsigned int *of, size_t n_of, const unsigned int *to, size_t n_to,
                               size_t seeds, size_t results, int adjoint) {
    long unknowns = width(c, of, n_of), knowns = width(c, to, n_to);
    Knowns k;
    if (unknowns < 0 || knowns < 0) return ERROR;
    for (size_t i = 0; i < n_to; i++)
        if (!known(&k, &VARIABLES[to[i]]))
            return say(c, ERROR, "there are no derivatives by '%s'", VARIABLE_NAMES[to[i]]);
    if ((size_t)(adjoint ? unknowns : knowns) != seeds || (size_t)(adjoint ? knowns : unknowns) != results)
        return say(c, ERROR, "the number of seeds or results is not that of the variables");
    return OK;
}

static Status directional(Instance *c, const unsigned int *of, size_t n_of, const unsigned int *to, size_t n_to,
                          const double *seed, size_t seeds, double *result, size_t results) {
    Knowns k;
    Unknowns o;
    double rows[AT_LEAST_ONE(NZ)];
    size_t at = 0;
    Status status = check_derivative(c, of, n_of, to, n_to, seeds, results, 0);
    if (status == OK) status = prepare_derivatives(c, rows);
    if (status != OK) return status;
    memset(&k, 0, sizeof k);
    for (size_t i = 0; i < n_to; i++) {
        const Variable *v = &VARIABLES[to[i]];
        for (int j = 0; j < v->size; j++) known(&k, v)[j] += seed[at++];
    }
    k.t /= SECONDS_PER_UNIT;
    forward(c, &k, &o);
    if (NZ > 0) {
        for (int i = 0; i < NZ; i++) k.z[i] = -o.g[i] / rows[i];
        solve(c->matrix, c->pivots, NZ, k.z);
        for (int i = 0; i < NZ; i++) k.z[i] *= NOMINAL_Y[NX + i];
        forward(c, &k, &o);
    }
    k.t *= SECONDS_PER_UNIT;
    at = 0;
    for (size_t i = 0; i < n_of; i++) {
        const Variable *v = &VARIABLES[of[i]];
        double scale = v->block == BLOCK_DERIVATIVE ? SECONDS_PER_UNIT : 1.0;
        for (int j = 0; j < v->size; j++) result[at++] = unknown(&k, &o, v)[j] / scale;
    }
    return OK;
}

#if FMI_VERSION == 3
static Status adjoint(Instance *c, const unsigned int *of, size_t n_of, const unsigned int *to, size_t n_to,
                      const double *seed, size_t seeds, double *result, size_t results) {
    Knowns direct, k;
    Unknowns o;
    double rows[AT_LEAST_ONE(NZ)];
    size_t at = 0;
    Status status = check_derivative(c, of, n_of, to, n_to, seeds, results, 1);
    if (status == OK) status = prepare_derivatives(c, rows);
    if (status != OK) return status;
    memset(&direct, 0, sizeof direct);
    memset(&o, 0, sizeof o);
    for (size_t i = 0; i < n_of; i++) {
        const Variable *v = &VARIABLES[of[i]];
        double scale = v->block == BLOCK_DERIVATIVE ? SECONDS_PER_UNIT : 1.0;
        for (int j = 0; j < v->size; j++) unknown(&direct, &o, v)[j] += seed[at++] / scale;
    }
    reverse(c, &o, &k);
    if (NZ > 0) {
        for (int i = 0; i < NZ; i++) o.g[i] = -(k.z[i] + direct.z[i]) * NOMINAL_Y[NX + i];
        solve_transposed(c->matrix, c->pivots, NZ, o.g);
        for (int i = 0; i < NZ; i++) o.g[i] /= rows[i];
        reverse(c, &o, &k);
    }
    k.t /= SECONDS_PER_UNIT;
    at = 0;
    for (size_t i = 0; i < n_to; i++) {
        const Variable *v = &VARIABLES[to[i]];
        for (int j = 0; j < v->size; j++) result[at++] = known(&k, v)[j] + known(&direct, v)[j];
    }
    return OK;
}
#endif

/* -- model exchange ------------------------------------------------------------------------------------------------ */

static Status set_time(Instance *c, double time) {
    if (!isfinite(time)) return say(c, ERROR, "the time is not finite");
    if (time != c->s.time) {
        c->s.time = time;
        touched(c, EXPLICIT_TIME);
    }
    return OK;
}

static Status set_states(Instance *c, const double *x, size_t count) {
    if (count != NX) return say(c, ERROR, "there are %d continuous states, not %u", NX, (unsigned)count);
    if (!all_finite(x, NX)) return say(c, DISCARD, "a continuous state is not finite");
    if (memcmp(c->s.y, x, sizeof(double) * NX) != 0) {
        memcpy(c->s.y, x, sizeof(double) * NX);
        touched(c, 1);
    }
    return OK;
}

static Status get_derivatives(Instance *c, double *dx, size_t count) {
    Status status;
    if (count != NX) return say(c, ERROR, "there are %d continuous states, not %u", NX, (unsigned)count);
    status = need_rates(c);
    for (int i = 0; status == OK && i < NX; i++) dx[i] = c->rates[i] / SECONDS_PER_UNIT;
    return status;
}

static Status get_indicators(Instance *c, double *z, size_t count) {
    Status status;
    if (count != NR) return say(c, ERROR, "there are %d event indicators, not %u", NR, (unsigned)count);
    status = need_roots(c);
    if (status == OK) memcpy(z, c->roots, sizeof(double) * NR);
    return status;
}

static Status get_block(Instance *c, const double *from, double *to, size_t count) {
    if (count != NX) return say(c, ERROR, "there are %d continuous states, not %u", NX, (unsigned)count);
    memcpy(to, from, sizeof(double) * NX);
    return OK;
}

/* -- saved states -------------------------------------------------------------------------------------------------- */

static Status save_state(Instance *c, void **saved) {
    if (!*saved) *saved = malloc(sizeof(State));
    if (!*saved) return say(c, ERROR, "there is no memory for a saved state");
    memcpy(*saved, &c->s, sizeof(State));
    return OK;
}

static Status restore_state(Instance *c, const void *saved) {
    if (!saved) return say(c, ERROR, "there is no saved state to go back to");
    memcpy(&c->s, saved, sizeof(State));
    c->known_rates = c->known_outputs = c->known_roots = 0;
    return OK;
}

/* A saved state as bytes begins with the FMU's token: it is read by the same FMU only. */
#define SERIALIZED (sizeof(TOKEN) + sizeof(State))

static Status serialize(Instance *c, const void *saved, void *bytes, size_t size) {
    if (!saved || size != SERIALIZED) return say(c, ERROR, "a serialized state has %u bytes", (unsigned)SERIALIZED);
    memcpy(bytes, TOKEN, sizeof(TOKEN));
    memcpy((char *)bytes + sizeof(TOKEN), saved, sizeof(State));
    return OK;
}

static Status deserialize(Instance *c, const void *bytes, size_t size, void **saved) {
    if (size != SERIALIZED || memcmp(bytes, TOKEN, sizeof(TOKEN)) != 0)
        return say(c, ERROR, "these bytes are not a state of this FMU");
    if (!*saved) *saved = malloc(sizeof(State));
    if (!*saved) return say(c, ERROR, "there is no memory for a saved state");
    memcpy(*saved, (const char *)bytes + sizeof(TOKEN), sizeof(State));
    return OK;
}

/* -- the life of an instance --------------------------------------------------------------------------------------- */

static Status set_experiment(Instance *c, int tolerance_defined, double tolerance, double start) {
    if (!isfinite(start)) return say(c, ERROR, "the start time is not finite");
    if (tolerance_defined) {
        if (!(tolerance > 0.0 && tolerance < 1.0)) return say(c, ERROR, "a tolerance of %g is not possible", tolerance);
        c->s.rtol = fmax(tolerance, 1e-13);
    }
    c->s.time = start;
    touched(c, 1);
    return OK;
}

static Status enter(Instance *c, int allowed, Phase next, const char *what) {
    if (!allowed) return say(c, ERROR, "%s is not possible now", what);
    c->s.phase = next;
    return OK;
}

/* A step of an integrator may end a little past an event: what is due is judged when the discrete states are updated. */
static Status enter_event_mode(Instance *c) {
    return enter(c, c->exchange && (c->s.phase == CONTINUOUS || c->s.phase == EVENT_MODE), EVENT_MODE, "event mode");
}

static Status enter_continuous(Instance *c) {
    return enter(c, c->exchange && c->s.phase == EVENT_MODE, CONTINUOUS, "continuous-time mode");
}

static Status terminate(Instance *c) {
    return enter(c, c->s.phase >= EVENT_MODE && c->s.phase <= STEPPING, ENDED, "terminating");
}

static Status reset(Instance *c) {
    start_values(c);
    return OK;
}
