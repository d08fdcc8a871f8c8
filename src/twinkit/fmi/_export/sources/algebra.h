/* Dense LU with partial pivoting, column by column (leading dimension n). */

static int factorise(double *a, int *pivots, int n) {
    for (int k = 0; k < n; k++) {
        int best = k;
        for (int i = k + 1; i < n; i++)
            if (fabs(a[k * n + i]) > fabs(a[k * n + best])) best = i;
        pivots[k] = best;
        if (!(fabs(a[k * n + best]) > 0.0) || !isfinite(a[k * n + best])) return 0;
        if (best != k)
            for (int j = 0; j < n; j++) {
                double kept = a[j * n + k];
                a[j * n + k] = a[j * n + best];
                a[j * n + best] = kept;
            }
        for (int i = k + 1; i < n; i++) a[k * n + i] /= a[k * n + k];
        for (int j = k + 1; j < n; j++) {
            double factor = a[j * n + k];
            if (factor != 0.0)
                for (int i = k + 1; i < n; i++) a[j * n + i] -= a[k * n + i] * factor;
        }
    }
    return 1;
}

static void solve(const double *a, const int *pivots, int n, double *b) {
    for (int k = 0; k < n; k++) { /* whole rows were exchanged: all of them first */
        double kept = b[k];
        b[k] = b[pivots[k]];
        b[pivots[k]] = kept;
    }
    for (int k = 0; k < n; k++)
        for (int i = k + 1; i < n; i++) b[i] -= a[k * n + i] * b[k];
    for (int k = n - 1; k >= 0; k--) {
        b[k] /= a[k * n + k];
        for (int i = 0; i < k; i++) b[i] -= a[k * n + i] * b[k];
    }
}

/* Solve with the transposed matrix. */
static void solve_transposed(const double *a, const int *pivots, int n, double *b) {
    for (int k = 0; k < n; k++) {
        for (int i = 0; i < k; i++) b[k] -= a[k * n + i] * b[i];
        b[k] /= a[k * n + k];
    }
    for (int k = n - 1; k >= 0; k--)
        for (int i = k + 1; i < n; i++) b[k] -= a[k * n + i] * b[i];
    for (int k = n - 1; k >= 0; k--) {
        double kept = b[k];
        b[k] = b[pivots[k]];
        b[pivots[k]] = kept;
    }
}
