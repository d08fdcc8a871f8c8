/* The model's functions at a point, and the algebraic variables that belong to it. `t` is in the model's time unit. */

typedef int (*Function)(const double **, double **, int *, double *, int);

static double model_time(const Instance *c) { return c->s.time / SECONDS_PER_UNIT; }

/* Call a function of (t, x, z, u, p); up to two results, null where not wanted. */
static void call(Instance *c, Function f, const double *t, const double *y, double *first, double *second) {
    c->arg[0] = t;
    c->arg[1] = y;
    c->arg[2] = y + NX;
    c->arg[3] = c->s.u;
    c->arg[4] = c->s.p;
    c->res[0] = first;
    c->res[1] = second;
    f(c->arg, c->res, c->iw, c->w, 0);
}

/* Derivatives of the states and residuals of the algebraic variables. */
static void flow(Instance *c, double t, const double *y, double *out) {
    call(c, model_rates, &t, y, out, out + NX);
}

static int all_finite(const double *values, int count) {
    for (int i = 0; i < count; i++)
        if (!isfinite(values[i])) return 0;
    return 1;
}

/* Fill the matrix with d(residual)/dz and factorise it; 0 if the residuals do not determine z. Columns are scaled by
 * the nominal values and rows by their largest entry (into `rows`), so that a small pivot means what it says. */
static int factorise_algebraic(Instance *c, double t, const double *y, double *rows) {
    double *a = c->matrix;
    call(c, model_jacobian, &t, y, c->jacobian, NULL);
    for (int i = 0; i < NZ * NZ; i++) a[i] = 0.0;
    for (int e = 0; e < NNZ; e++)
        if (ROWS[e] >= NX && COLUMNS[e] >= NX)
            a[(COLUMNS[e] - NX) * NZ + ROWS[e] - NX] = c->jacobian[e] * NOMINAL_Y[COLUMNS[e]];
    for (int i = 0; i < NZ; i++) {
        rows[i] = 0.0;
        for (int j = 0; j < NZ; j++) rows[i] = fmax(rows[i], fabs(a[j * NZ + i]));
        if (!(rows[i] > 0.0) || !isfinite(rows[i])) return 0;
        for (int j = 0; j < NZ; j++) a[j * NZ + i] /= rows[i];
    }
    if (!factorise(a, c->pivots, NZ)) return 0;
    for (int i = 0; i < NZ; i++)
        if (fabs(a[i * NZ + i]) < 1e-14) return 0;
    return 1;
}

static double scaled_size(const double *residual, const double *rows) {
    double total = 0.0;
    for (int i = 0; i < NZ; i++) total += residual[i] / rows[i] * (residual[i] / rows[i]);
    return sqrt(total);
}

/* Damped Newton iteration from the present guess; returns what went wrong, or null. */
static const char *newton(Instance *c, double t, double *y, int *worst) {
    double *rows = c->stages[0], *step = c->stages[1], *trial = c->point, *value = c->f;
    flow(c, t, y, value);
    for (int iteration = 0; iteration < 60; iteration++) {
        double largest = 0.0, damping = 1.0, size;
        *worst = 0;
        for (int i = 0; i < NZ; i++) {
            double now = value[NX + i], most = value[NX + *worst];
            if (isfinite(most) && (!isfinite(now) || fabs(now) > fabs(most))) *worst = i;
        }
        if (!all_finite(value + NX, NZ)) return "is not finite";
        if (!factorise_algebraic(c, t, y, rows)) return "does not determine its variable (singular Jacobian)";
        for (int i = 0; i < NZ; i++) step[i] = -value[NX + i] / rows[i];
        size = scaled_size(value + NX, rows);
        solve(c->matrix, c->pivots, NZ, step);
        for (int i = 0; i < NZ; i++) largest = fmax(largest, fabs(step[i]));
        if (largest == 0.0) return NULL;
        memcpy(trial, y, sizeof(double) * NX);
        for (;;) {
            for (int i = 0; i < NZ; i++) {
                double moved = y[NX + i] + damping * step[i] * NOMINAL_Y[NX + i];
                trial[NX + i] = fmin(fmax(moved, LOW_Z[i]), HIGH_Z[i]);
            }
            flow(c, t, trial, value);
            if (all_finite(value + NX, NZ)) {
                double now = scaled_size(value + NX, rows);
                if (now < (1.0 - 1e-4 * damping) * size) break;
                if (largest < 1e-9 && now <= 4.0 * size + 1e-10) break; /* rounding: the step below the last */
            }
            damping *= 0.5;
            if (damping < 1e-6) return size < 1e-10 ? NULL : "cannot be reduced further";
        }
        memcpy(y + NX, trial + NX, sizeof(double) * NZ);
        if (largest < 1e-9 && damping == 1.0) return NULL; /* quadratic: what is left is rounding */
    }
    return "did not vanish in 60 Newton iterations";
}

/* Move the algebraic variables to where time, states, inputs and parameters want them. */
static Status settle(Instance *c) {
    double guess[AT_LEAST_ONE(NZ)];
    const char *trouble;
    int worst = 0;
    if (NZ == 0 || c->s.settled) return OK;
    memcpy(guess, c->s.y + NX, sizeof(double) * NZ);
    trouble = newton(c, model_time(c), c->s.y, &worst);
    if (trouble) { /* once more, from the first guess of the model */
        memcpy(c->s.y + NX, START_Y + NX, sizeof(double) * NZ);
        trouble = newton(c, model_time(c), c->s.y, &worst);
    }
    if (trouble) {
        memcpy(c->s.y + NX, guess, sizeof(double) * NZ);
        return say(c, DISCARD, "%s at %g s: the residual of '%s' %s", MODEL_NAME, c->s.time, NAMES_Y[NX + worst],
                   trouble);
    }
    c->s.settled = 1;
    c->known_rates = c->known_outputs = c->known_roots = 0;
    return OK;
}

static Status need_rates(Instance *c) {
    Status status = settle(c);
    if (status != OK || c->known_rates) return status;
    flow(c, model_time(c), c->s.y, c->rates);
    for (int i = 0; i < NX; i++)
        if (!isfinite(c->rates[i]))
            return say(c, DISCARD, "%s at %g s: the derivative of '%s' is %g", MODEL_NAME, c->s.time, NAMES_Y[i],
                       c->rates[i]);
    c->known_rates = 1;
    return OK;
}

static Status need_outputs(Instance *c) {
    Status status = settle(c);
    double t = model_time(c);
    if (status != OK || c->known_outputs || NY == 0) return status;
    call(c, model_outputs, &t, c->s.y, c->outputs, NULL);
    c->known_outputs = 1;
    return OK;
}

static Status need_roots(Instance *c) {
    Status status = settle(c);
    double t = model_time(c);
    if (status != OK || c->known_roots || NR == 0) return status;
    call(c, model_roots, &t, c->s.y, c->roots, NULL);
    for (int e = 0; e < NR; e++)
        if (!isfinite(c->roots[e]))
            return say(c, DISCARD, "%s at %g s: the expression of event '%s' is %g", MODEL_NAME, c->s.time,
                       HAPPENINGS[e], c->roots[e]);
    c->known_roots = 1;
    return OK;
}
