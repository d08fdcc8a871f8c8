/* Rodas5P with error control, on M y' = F(t, y): states have mass 1, algebraic variables 0. Inputs are held. See
 * "Solving Ordinary Differential Equations II" (Hairer, Wanner), IV.7, for the transformed stages; the coefficients in
 * description.h are of Steinebach (2023), doi:10.1007/s10543-023-00967-x. */

#define MASS(i) ((i) < NX ? 1.0 : 0.0)
#define EPSILON 2.220446049250313e-16

static double weighted_norm(const Instance *c, const double *v, const double *before, const double *after) {
    double total = 0.0;
    for (int i = 0; i < N; i++) {
        double size = fmax(fabs(before[i]), fabs(after[i]));
        double e = v[i] / (0.01 * c->s.rtol * NOMINAL_Y[i] + c->s.rtol * size);
        total += e * e;
    }
    return sqrt(total / AT_LEAST_ONE(N));
}

static void linearise(Instance *c, double t, const double *y) {
    flow(c, t, y, c->f0);
    call(c, model_jacobian, &t, y, c->jacobian, NULL);
    if (EXPLICIT_TIME) call(c, model_drift, &t, y, c->drift, NULL);
}

static int factorise_stage(Instance *c, double diagonal) {
    double *a = c->matrix;
    for (int i = 0; i < N * N; i++) a[i] = 0.0;
    for (int e = 0; e < NNZ; e++) a[COLUMNS[e] * N + ROWS[e]] = -c->jacobian[e];
    for (int i = 0; i < N; i++) a[i * N + i] += MASS(i) * diagonal;
    return factorise(a, c->pivots, N);
}

/* Try a step into `after`; its error in units of the tolerance, infinite or NaN where it cannot be made. */
static double attempt(Instance *c, double t, double h, const double *y, double *after) {
    if (!factorise_stage(c, 1.0 / (h * RODAS_GAMMA))) return INFINITY;
    for (int i = 0; i < 8; i++) {
        double *b = c->stages[i];
        if (i == 0) {
            memcpy(b, c->f0, sizeof(double) * N);
        } else {
            for (int m = 0; m < N; m++) {
                double total = y[m];
                if (i < 6)
                    for (int j = 0; j < i; j++) total += RODAS_A[i][j] * c->stages[j][m];
                else
                    total = after[m] + c->stages[i - 1][m];
                after[m] = total;
            }
            flow(c, t + RODAS_NODES[i] * h, after, c->f);
            for (int m = 0; m < N; m++) {
                double total = 0.0;
                for (int j = 0; j < i; j++) total += RODAS_C[i][j] * c->stages[j][m];
                b[m] = c->f[m] + MASS(m) * (total / h);
            }
        }
        if (EXPLICIT_TIME && i < 5)
            for (int m = 0; m < N; m++) b[m] += h * RODAS_D[i] * c->drift[m];
        solve(c->matrix, c->pivots, N, b);
    }
    for (int m = 0; m < N; m++) after[m] += c->stages[7][m];
    return weighted_norm(c, c->stages[7], y, after);
}

/* The continuous extension of the last attempt. */
static void extend(Instance *c) {
    for (int i = 0; i < 3; i++)
        for (int m = 0; m < N; m++) {
            c->dense[i][m] = 0.0;
            for (int j = 0; j < 8; j++) c->dense[i][m] += RODAS_H[i][j] * c->stages[j][m];
        }
}

static void inside(const Instance *c, double s, const double *y, const double *after, double *out) {
    double r = 1.0 - s;
    for (int m = 0; m < N; m++)
        out[m] = r * y[m] + s * (after[m] + r * (c->dense[0][m] + s * (c->dense[1][m] + s * c->dense[2][m])));
}

/* Error of the continuous extension: its defect at 0.4 of the step, seen through the stage matrix. */
static double error_inside(Instance *c, double t, double h, const double *y, const double *after) {
    double s = 0.4, r = 1.0 - s;
    inside(c, s, y, after, c->point);
    flow(c, t + s * h, c->point, c->f);
    for (int m = 0; m < N; m++) {
        double value = c->dense[0][m] + s * (c->dense[1][m] + s * c->dense[2][m]);
        double slope = after[m] - y[m] + (r - s) * value + s * r * (c->dense[1][m] + 2.0 * s * c->dense[2][m]);
        c->f[m] -= MASS(m) * slope / h;
    }
    solve(c->matrix, c->pivots, N, c->f);
    return weighted_norm(c, c->f, y, after);
}

/* A first step (Hairer, Norsett, Wanner, Solving ODEs I, II.4). */
static double first_step(Instance *c, double t, double span, const double *y) {
    double *moved = c->point, *f1 = c->f, d0, d1, h, steepest;
    flow(c, t, y, c->f0);
    for (int i = 0; i < N; i++) f1[i] = MASS(i) * c->f0[i];
    d0 = weighted_norm(c, y, y, y);
    d1 = weighted_norm(c, f1, y, y);
    h = d0 < 1e-5 || d1 < 1e-5 ? 1e-6 * span : fmin(0.01 * d0 / d1, span);
    for (int i = 0; i < N; i++) moved[i] = y[i] + h * f1[i];
    flow(c, t + h, moved, f1);
    for (int i = 0; i < N; i++) f1[i] = MASS(i) * (f1[i] - c->f0[i]);
    steepest = fmax(d1, weighted_norm(c, f1, y, y) / h);
    if (!isfinite(steepest)) return fmin(h, 1e-3 * span);
    if (steepest <= 1e-15) return fmax(1e-6 * span, 1e-3 * h);
    return fmin(100.0 * h, pow(0.01 / steepest, 1.0 / RODAS_ERROR_ORDER));
}

/* Take one accepted step from y into `after`; the time taken, or 0 where none can be (`trouble` says why). */
static double take_step(Instance *c, double t, double stop, double *h, const double *y, double *after,
                        const char **trouble) {
    int failures = 0, broken = 0;
    linearise(c, t, y);
    for (;;) {
        double remaining = stop - t, wish = *h, taken = wish, error, factor;
        if (wish >= 0.99 * remaining)
            taken = remaining;
        else if (wish > 0.5 * remaining) /* no sliver for the last step */
            taken = 0.5 * remaining;
        error = attempt(c, t, taken, y, after);
        if (error <= 1.0 && NR > 0) {
            double more;
            extend(c);
            more = error_inside(c, t, taken, y, after);
            if (!(more <= error)) error = more; /* NaN must not pass */
        }
        if (error <= 1.0) {
            factor = 0.9 * pow(fmax(error, 1e-10), -1.0 / RODAS_ERROR_ORDER);
            factor = taken * fmin(failures ? 1.0 : 6.0, fmax(0.2, factor));
            *h = taken >= wish ? factor : fmax(wish, factor);
            return taken;
        }
        failures++;
        if (isfinite(error)) {
            *h = taken * fmax(0.2, 0.9 * pow(error, -1.0 / RODAS_ERROR_ORDER));
        } else {
            *h = taken * 0.2;
            broken = 1;
        }
        if (*h < 8.0 * EPSILON * fabs(t) || failures > 100) {
            *trouble = broken ? "the equations give values that are not finite"
                              : "the step size needed for the tolerance is too small";
            return 0.0;
        }
    }
}

/* Evaluate the event expressions inside the last step; 0 if one is not finite. */
static int roots_inside(Instance *c, double s, double t, double h, const double *y, const double *after) {
    double at = t + s * h;
    inside(c, s, y, after, c->point);
    call(c, model_roots, &at, c->point, c->roots, NULL);
    c->known_roots = 0;
    return all_finite(c->roots, NR);
}

/* Narrow the bracket of event e; return its far end. Regula falsi (Illinois), bisection where that is slow. */
static double locate(Instance *c, int e, double low, double high, double t, double h, const double *y,
                     const double *after) {
    double g_low, g_high, g, s, resolution = 2.0 * EPSILON * fmax(fabs(t), fabs(t + h)) / h, width = 4.0;
    int side = 0;
    roots_inside(c, low, t, h, y, after);
    g_low = c->roots[e];
    roots_inside(c, high, t, h, y, after);
    g_high = c->roots[e];
    for (int iteration = 0; iteration < 200 && high - low > resolution; iteration++) {
        s = low - g_low * (high - low) / (g_high - g_low);
        if (!(low < s && s < high) || high - low > 0.5 * width) s = 0.5 * (low + high);
        width = high - low;
        if (!(low < s && s < high)) break;
        roots_inside(c, s, t, h, y, after);
        g = c->roots[e];
        if (crossed(c->s.signs[e], g, DIRECTIONS[e])) {
            high = s;
            g_high = g;
            if (side == 1) g_low *= 0.5;
            side = 1;
        } else {
            low = s;
            g_low = g;
            if (side == -1) g_high *= 0.5;
            side = -1;
        }
    }
    return high;
}

/* Look for the first event in a step: the fraction of the step, 2 if there is none, -1 if an expression is not finite.
 * `which` is the event. */
static double find_event(Instance *c, double t, double h, const double *y, const double *after, int *which) {
    for (int sample = 0; sample < 4; sample++) {
        double low = 0.25 * sample, high = 0.25 * (sample + 1), first = 2.0;
        int hit[AT_LEAST_ONE(NR)], count = 0;
        if (!roots_inside(c, high, t, h, y, after)) return -1.0;
        for (int e = 0; e < NR; e++) count += hit[e] = crossed(c->s.signs[e], c->roots[e], DIRECTIONS[e]);
        if (count == 0) {
            for (int e = 0; e < NR; e++) c->s.signs[e] = sign_of(c->roots[e]);
            continue;
        }
        for (int e = 0; e < NR; e++)
            if (hit[e]) {
                double at = locate(c, e, low, high, t, h, y, after);
                if (at < first) {
                    first = at;
                    *which = e;
                }
            }
        return first;
    }
    return 2.0;
}
