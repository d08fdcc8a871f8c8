/* What an instance holds. `State` is everything that decides how it goes on: it is copied whole to save and restore. */

typedef enum { OK = 0, WARNING = 1, DISCARD = 2, ERROR = 3, FATAL = 4 } Status;
typedef enum { CREATED, INITIALIZING, EVENT_MODE, CONTINUOUS, STEPPING, ENDED, FAILED } Phase;

#define AT_LEAST_ONE(n) ((n) > 0 ? (n) : 1)
#define SERIES 8 /* times of an event that show a geometric series */
#define N (NX + NZ) /* the integrator's unknowns: states, then algebraic variables */

typedef struct {
    double time;                     /* seconds */
    double y[AT_LEAST_ONE(N)];       /* states, algebraic variables */
    double u[AT_LEAST_ONE(NU + NM)]; /* inputs, modes */
    double p[AT_LEAST_ONE(NP)];
    double signs[AT_LEAST_ONE(NR)];  /* of the event expressions, when last looked at; 0 just after an event */
    double step;                     /* the integrator's next step, in the model's time unit; 0: estimate one */
    double rtol;
    double begin;                    /* when the run began, seconds */
    double past[AT_LEAST_ONE(NR)][SERIES]; /* the last times of each event, seconds, the latest last */
    int counts[AT_LEAST_ONE(NR)];    /* how often each has happened */
    int next[AT_LEAST_ONE(NS)];      /* which instant of each schedule comes next */
    int settled;                     /* the algebraic variables satisfy their equations */
    int stopped;                     /* an event ended the run */
    Phase phase;
} State;

typedef struct Instance {
    State s;
    int exchange; /* model exchange, not co-simulation */
    int logging;
    char *name;
    void *environment;
    void *logger;
    Status said; /* of the last message */
    /* values at the present point, once worked out */
    int known_rates, known_outputs, known_roots;
    double rates[AT_LEAST_ONE(N)], outputs[AT_LEAST_ONE(NY)], roots[AT_LEAST_ONE(NR)];
    /* scratch */
    const double *arg[WORK_ARG];
    double *res[WORK_RES];
    int iw[WORK_IW];
    double w[WORK_W];
    double jacobian[AT_LEAST_ONE(NNZ)], drift[AT_LEAST_ONE(N)];
    double *matrix; /* of all unknowns, or in model exchange of the algebraic ones; column by column */
    int pivots[AT_LEAST_ONE(N)];
    double stages[8][AT_LEAST_ONE(N)], dense[3][AT_LEAST_ONE(N)];
    double f0[AT_LEAST_ONE(N)], f[AT_LEAST_ONE(N)], point[AT_LEAST_ONE(N)], fresh[AT_LEAST_ONE(N)];
} Instance;

static void report(Instance *c, Status status, const char *message); /* each version of FMI has its own */

/* Give a message to the environment and return the status. */
static Status say(Instance *c, Status status, const char *format, ...) {
    char text[600];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    c->said = status;
    report(c, status, text);
    return status;
}

/* Something has changed that values depend on. */
static void touched(Instance *c, int algebraic) {
    c->known_rates = c->known_outputs = c->known_roots = 0;
    if (algebraic && NZ > 0) c->s.settled = 0;
}

static void start_values(Instance *c) {
    State *s = &c->s;
    memset(s, 0, sizeof *s); /* padding too: equal states have equal bytes */
    memcpy(s->y, START_Y, sizeof(double) * N);
    memcpy(s->u, START_U, sizeof(double) * (NU + NM));
    memcpy(s->p, START_P, sizeof(double) * NP);
    s->rtol = DEFAULT_RTOL;
    s->phase = CREATED;
    touched(c, 1);
}

static Instance *make_instance(const char *name, int exchange) {
    Instance *c = (Instance *)calloc(1, sizeof(Instance));
    size_t length = name ? strlen(name) : 0, unknowns;
    if (!c) return NULL;
    unknowns = exchange ? AT_LEAST_ONE(NZ) : AT_LEAST_ONE(N);
    c->matrix = (double *)calloc(unknowns * unknowns, sizeof(double));
    c->name = (char *)malloc(length + 1);
    if (!c->matrix || !c->name) {
        free(c->matrix);
        free(c->name);
        free(c);
        return NULL;
    }
    if (length) memcpy(c->name, name, length);
    c->name[length] = 0;
    c->exchange = exchange;
    start_values(c);
    return c;
}

static void free_instance(Instance *c) {
    if (!c) return;
    free(c->matrix);
    free(c->name);
    free(c);
}
