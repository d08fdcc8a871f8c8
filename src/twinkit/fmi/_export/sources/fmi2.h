/* The functions of FMI 2.0 (names, types and meaning as the standard states them). */

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#elif defined(__GNUC__)
#define EXPORT __attribute__((visibility("default")))
#else
#define EXPORT
#endif

typedef void *fmi2Component;
typedef void *fmi2ComponentEnvironment;
typedef void *fmi2FMUstate;
typedef unsigned int fmi2ValueReference;
typedef double fmi2Real;
typedef int fmi2Integer;
typedef int fmi2Boolean;
typedef const char *fmi2String;
typedef char fmi2Byte;
typedef int fmi2Status; /* an enumeration in the standard: ok, warning, discard, error, fatal, pending */

typedef struct {
    void (*logger)(fmi2ComponentEnvironment, fmi2String, fmi2Status, fmi2String, fmi2String, ...);
    void *(*allocateMemory)(size_t, size_t);
    void (*freeMemory)(void *);
    void (*stepFinished)(fmi2ComponentEnvironment, fmi2Status);
    fmi2ComponentEnvironment componentEnvironment;
} fmi2CallbackFunctions;

typedef struct {
    fmi2Boolean newDiscreteStatesNeeded;
    fmi2Boolean terminateSimulation;
    fmi2Boolean nominalsOfContinuousStatesChanged;
    fmi2Boolean valuesOfContinuousStatesChanged;
    fmi2Boolean nextEventTimeDefined;
    fmi2Real nextEventTime;
} fmi2EventInfo;

#define SELF Instance *self = (Instance *)c; if (!self) return ERROR;

static void report(Instance *c, Status status, const char *message) {
    const fmi2CallbackFunctions *functions = (const fmi2CallbackFunctions *)c->logger;
    char text[1300]; /* a format without arguments: not every environment formats what it is given */
    size_t at = 0;
    for (; *message && at < sizeof text - 2; message++) {
        if (*message == '%') text[at++] = '%';
        text[at++] = *message;
    }
    text[at] = 0;
    if (functions && functions->logger && (c->logging || status >= DISCARD))
        functions->logger(c->environment, c->name, status, status >= ERROR ? "logStatusError" : "logStatusDiscard",
                          text);
}

EXPORT const char *fmi2GetTypesPlatform(void) { return "default"; }
EXPORT const char *fmi2GetVersion(void) { return "2.0"; }

EXPORT fmi2Status fmi2SetDebugLogging(fmi2Component c, fmi2Boolean on, size_t count, const fmi2String categories[]) {
    SELF
    (void)count, (void)categories;
    self->logging = on;
    return OK;
}

EXPORT fmi2Component fmi2Instantiate(fmi2String name, int type, fmi2String guid, fmi2String resources,
                                     const fmi2CallbackFunctions *functions, fmi2Boolean visible, fmi2Boolean logging) {
    Instance *made = make_instance(name, type == 0);
    (void)resources, (void)visible;
    if (!made) return NULL;
    made->logging = logging;
    made->logger = (void *)functions;
    made->environment = functions ? functions->componentEnvironment : NULL;
    if (!guid || strcmp(guid, TOKEN) != 0) {
        say(made, ERROR, "the GUID given is not that of this FMU (%s)", TOKEN);
    } else if (!(type == 0 ? HAS_EXCHANGE : HAS_COSIMULATION)) {
        say(made, ERROR, "this FMU was not exported for %s", type == 0 ? "model exchange" : "co-simulation");
    } else {
        return made;
    }
    free_instance(made);
    return NULL;
}

EXPORT void fmi2FreeInstance(fmi2Component c) { free_instance((Instance *)c); }

EXPORT fmi2Status fmi2SetupExperiment(fmi2Component c, fmi2Boolean with_tolerance, fmi2Real tolerance, fmi2Real start,
                                      fmi2Boolean with_stop, fmi2Real stop) {
    SELF
    (void)with_stop, (void)stop;
    if (self->s.phase != CREATED) return say(self, ERROR, "setting up an experiment is not possible now");
    return set_experiment(self, with_tolerance, tolerance, start);
}

EXPORT fmi2Status fmi2EnterInitializationMode(fmi2Component c) {
    SELF
    return enter(self, self->s.phase == CREATED, INITIALIZING, "initialization mode");
}

EXPORT fmi2Status fmi2ExitInitializationMode(fmi2Component c) {
    SELF
    if (self->s.phase != INITIALIZING) return say(self, ERROR, "leaving initialization mode is not possible now");
    return begin(self);
}

EXPORT fmi2Status fmi2Terminate(fmi2Component c) { SELF return terminate(self); }
EXPORT fmi2Status fmi2Reset(fmi2Component c) { SELF return reset(self); }

EXPORT fmi2Status fmi2GetReal(fmi2Component c, const fmi2ValueReference vr[], size_t n, fmi2Real value[]) {
    SELF
    return get_values(self, vr, n, value, n); /* every variable of FMI 2 is a single value */
}

EXPORT fmi2Status fmi2SetReal(fmi2Component c, const fmi2ValueReference vr[], size_t n, const fmi2Real value[]) {
    SELF
    return set_values(self, vr, n, value, n);
}

/* All variables are real numbers. */
#define NO_VARIABLES(kind, ctype)                                                                                      \
    EXPORT fmi2Status fmi2Get##kind(fmi2Component c, const fmi2ValueReference vr[], size_t n, ctype value[]) {         \
        SELF(void) vr, (void)value;                                                                                    \
        return n ? say(self, ERROR, "there is no " #kind " variable") : OK;                                            \
    }                                                                                                                  \
    EXPORT fmi2Status fmi2Set##kind(fmi2Component c, const fmi2ValueReference vr[], size_t n, const ctype value[]) {   \
        SELF(void) vr, (void)value;                                                                                    \
        return n ? say(self, ERROR, "there is no " #kind " variable") : OK;                                            \
    }
NO_VARIABLES(Integer, fmi2Integer)
NO_VARIABLES(Boolean, fmi2Boolean)
NO_VARIABLES(String, fmi2String)

EXPORT fmi2Status fmi2GetFMUstate(fmi2Component c, fmi2FMUstate *state) { SELF return save_state(self, state); }
EXPORT fmi2Status fmi2SetFMUstate(fmi2Component c, fmi2FMUstate state) { SELF return restore_state(self, state); }

EXPORT fmi2Status fmi2FreeFMUstate(fmi2Component c, fmi2FMUstate *state) {
    (void)c;
    if (state) {
        free(*state);
        *state = NULL;
    }
    return OK;
}

EXPORT fmi2Status fmi2SerializedFMUstateSize(fmi2Component c, fmi2FMUstate state, size_t *size) {
    (void)c, (void)state;
    *size = SERIALIZED;
    return OK;
}

EXPORT fmi2Status fmi2SerializeFMUstate(fmi2Component c, fmi2FMUstate state, fmi2Byte bytes[], size_t size) {
    SELF
    return serialize(self, state, bytes, size);
}

EXPORT fmi2Status fmi2DeSerializeFMUstate(fmi2Component c, const fmi2Byte bytes[], size_t size, fmi2FMUstate *state) {
    SELF
    return deserialize(self, bytes, size, state);
}

EXPORT fmi2Status fmi2GetDirectionalDerivative(fmi2Component c, const fmi2ValueReference of[], size_t n_of,
                                               const fmi2ValueReference to[], size_t n_to, const fmi2Real seed[],
                                               fmi2Real result[]) {
    SELF
    return directional(self, of, n_of, to, n_to, seed, n_to, result, n_of);
}

/* -- model exchange ------------------------------------------------------------------------------------------------ */

EXPORT fmi2Status fmi2EnterEventMode(fmi2Component c) { SELF return enter_event_mode(self); }

EXPORT fmi2Status fmi2NewDiscreteStates(fmi2Component c, fmi2EventInfo *info) {
    int changed = 0;
    double next = INFINITY;
    Status status;
    SELF
    if (self->s.phase != EVENT_MODE) return say(self, ERROR, "new discrete states are asked for outside event mode");
    status = update_discrete(self, &changed, &next);
    memset(info, 0, sizeof *info);
    info->terminateSimulation = self->s.stopped;
    info->valuesOfContinuousStatesChanged = changed;
    info->nextEventTimeDefined = isfinite(next) ? 1 : 0;
    info->nextEventTime = isfinite(next) ? next : 0.0;
    return status;
}

EXPORT fmi2Status fmi2EnterContinuousTimeMode(fmi2Component c) { SELF return enter_continuous(self); }

EXPORT fmi2Status fmi2CompletedIntegratorStep(fmi2Component c, fmi2Boolean final, fmi2Boolean *event,
                                              fmi2Boolean *end) {
    SELF
    (void)final;
    *end = 0;
    return completed_step(self, event);
}

EXPORT fmi2Status fmi2SetTime(fmi2Component c, fmi2Real time) { SELF return set_time(self, time); }
EXPORT fmi2Status fmi2SetContinuousStates(fmi2Component c, const fmi2Real x[], size_t n) { SELF return set_states(self, x, n); }
EXPORT fmi2Status fmi2GetDerivatives(fmi2Component c, fmi2Real dx[], size_t n) { SELF return get_derivatives(self, dx, n); }
EXPORT fmi2Status fmi2GetEventIndicators(fmi2Component c, fmi2Real z[], size_t n) { SELF return get_indicators(self, z, n); }
EXPORT fmi2Status fmi2GetContinuousStates(fmi2Component c, fmi2Real x[], size_t n) { SELF return get_block(self, self->s.y, x, n); }
EXPORT fmi2Status fmi2GetNominalsOfContinuousStates(fmi2Component c, fmi2Real x[], size_t n) {
    SELF
    return get_block(self, NOMINAL_Y, x, n);
}

/* -- co-simulation ------------------------------------------------------------------------------------------------- */

EXPORT fmi2Status fmi2DoStep(fmi2Component c, fmi2Real from, fmi2Real length, fmi2Boolean final) {
    Status status;
    SELF
    (void)final;
    if (self->s.stopped) return say(self, ERROR, "a step is asked for after an event has ended the run");
    status = do_step(self, from, length);
    if (status == OK && self->s.stopped) return say(self, DISCARD, "an event has ended the run at %g s", self->s.time);
    return status;
}

EXPORT fmi2Status fmi2CancelStep(fmi2Component c) { SELF return say(self, ERROR, "steps are not asynchronous"); }

EXPORT fmi2Status fmi2GetRealStatus(fmi2Component c, int kind, fmi2Real *value) {
    SELF
    if (kind != 2) return say(self, DISCARD, "there is no such status");
    *value = self->s.time;
    return OK;
}

EXPORT fmi2Status fmi2GetBooleanStatus(fmi2Component c, int kind, fmi2Boolean *value) {
    SELF
    if (kind != 3) return say(self, DISCARD, "there is no such status");
    *value = self->s.stopped;
    return OK;
}

#define NO_STATUS(name, ctype)                                                                                         \
    EXPORT fmi2Status fmi2Get##name(fmi2Component c, int kind, ctype *value) {                                         \
        SELF(void) kind, (void)value;                                                                                  \
        return say(self, DISCARD, "there is no such status");                                                          \
    }
NO_STATUS(Status, fmi2Status)
NO_STATUS(IntegerStatus, fmi2Integer)
NO_STATUS(StringStatus, fmi2String)

EXPORT fmi2Status fmi2SetRealInputDerivatives(fmi2Component c, const fmi2ValueReference vr[], size_t n,
                                              const fmi2Integer order[], const fmi2Real value[]) {
    SELF
    (void)vr, (void)order, (void)value;
    return n ? say(self, ERROR, "inputs are held during a step: their derivatives cannot be given") : OK;
}

EXPORT fmi2Status fmi2GetRealOutputDerivatives(fmi2Component c, const fmi2ValueReference vr[], size_t n,
                                               const fmi2Integer order[], fmi2Real value[]) {
    SELF
    (void)vr, (void)order, (void)value;
    return n ? say(self, ERROR, "derivatives of outputs are not provided") : OK;
}
