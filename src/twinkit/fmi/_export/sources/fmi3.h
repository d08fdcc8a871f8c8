/* The functions of FMI 3.0 (names, types and meaning as the standard states them). */
#include <stdbool.h>
#include <stdint.h>

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#elif defined(__GNUC__)
#define EXPORT __attribute__((visibility("default")))
#else
#define EXPORT
#endif

typedef void *fmi3Instance;
typedef void *fmi3InstanceEnvironment;
typedef void *fmi3FMUState;
typedef uint32_t fmi3ValueReference;
typedef double fmi3Float64;
typedef bool fmi3Boolean;
typedef const char *fmi3String;
typedef uint8_t fmi3Byte;
typedef const fmi3Byte *fmi3Binary;
typedef bool fmi3Clock;
typedef int fmi3Status; /* an enumeration in the standard: ok, warning, discard, error, fatal */
typedef void (*fmi3LogMessageCallback)(fmi3InstanceEnvironment, fmi3Status, fmi3String, fmi3String);

#define SELF Instance *self = (Instance *)c; if (!self) return ERROR;

static void report(Instance *c, Status status, const char *message) {
    fmi3LogMessageCallback log;
    memcpy(&log, &c->logger, sizeof log); /* a pointer to a function, kept as one to data */
    if (log && (c->logging || status >= DISCARD))
        log(c->environment, status, status >= ERROR ? "logStatusError" : "logStatusDiscard", message);
}

EXPORT const char *fmi3GetVersion(void) { return "3.0"; }

EXPORT fmi3Status fmi3SetDebugLogging(fmi3Instance c, fmi3Boolean on, size_t count, const fmi3String categories[]) {
    SELF
    (void)count, (void)categories;
    self->logging = on;
    return OK;
}

static fmi3Instance instantiate(fmi3String name, fmi3String token, int exchange, int offered, fmi3Boolean logging,
                                fmi3InstanceEnvironment environment, fmi3LogMessageCallback log) {
    Instance *made = make_instance(name, exchange);
    if (!made) return NULL;
    made->logging = logging;
    made->environment = environment;
    memcpy(&made->logger, &log, sizeof log);
    if (!token || strcmp(token, TOKEN) != 0) {
        say(made, ERROR, "the instantiation token given is not that of this FMU (%s)", TOKEN);
    } else if (!offered) {
        say(made, ERROR, "this FMU was not exported for %s", exchange ? "model exchange" : "co-simulation");
    } else {
        return made;
    }
    free_instance(made);
    return NULL;
}

EXPORT fmi3Instance fmi3InstantiateModelExchange(fmi3String name, fmi3String token, fmi3String resources,
                                                 fmi3Boolean visible, fmi3Boolean logging,
                                                 fmi3InstanceEnvironment environment, fmi3LogMessageCallback log) {
    (void)resources, (void)visible;
    return instantiate(name, token, 1, HAS_EXCHANGE, logging, environment, log);
}

EXPORT fmi3Instance fmi3InstantiateCoSimulation(fmi3String name, fmi3String token, fmi3String resources,
                                                fmi3Boolean visible, fmi3Boolean logging, fmi3Boolean event_mode,
                                                fmi3Boolean early_return, const fmi3ValueReference required[],
                                                size_t n_required, fmi3InstanceEnvironment environment,
                                                fmi3LogMessageCallback log, void (*update)(void)) {
    (void)resources, (void)visible, (void)event_mode, (void)early_return, (void)required, (void)n_required,
        (void)update;
    return instantiate(name, token, 0, HAS_COSIMULATION, logging, environment, log);
}

EXPORT fmi3Instance fmi3InstantiateScheduledExecution(fmi3String name, fmi3String token, fmi3String resources,
                                                      fmi3Boolean visible, fmi3Boolean logging,
                                                      fmi3InstanceEnvironment environment, fmi3LogMessageCallback log,
                                                      void (*update)(void), void (*lock)(void), void (*unlock)(void)) {
    (void)name, (void)token, (void)resources, (void)visible, (void)logging, (void)update, (void)lock, (void)unlock;
    if (log) log(environment, ERROR, "logStatusError", "this FMU does not offer scheduled execution");
    return NULL;
}

EXPORT void fmi3FreeInstance(fmi3Instance c) { free_instance((Instance *)c); }

EXPORT fmi3Status fmi3EnterInitializationMode(fmi3Instance c, fmi3Boolean with_tolerance, fmi3Float64 tolerance,
                                              fmi3Float64 start, fmi3Boolean with_stop, fmi3Float64 stop) {
    Status status;
    SELF
    (void)with_stop, (void)stop;
    status = enter(self, self->s.phase == CREATED, INITIALIZING, "initialization mode");
    return status == OK ? set_experiment(self, with_tolerance, tolerance, start) : status;
}

EXPORT fmi3Status fmi3ExitInitializationMode(fmi3Instance c) {
    SELF
    if (self->s.phase != INITIALIZING) return say(self, ERROR, "leaving initialization mode is not possible now");
    return begin(self);
}

EXPORT fmi3Status fmi3EnterEventMode(fmi3Instance c) { SELF return enter_event_mode(self); }
EXPORT fmi3Status fmi3Terminate(fmi3Instance c) { SELF return terminate(self); }
EXPORT fmi3Status fmi3Reset(fmi3Instance c) { SELF return reset(self); }

EXPORT fmi3Status fmi3GetFloat64(fmi3Instance c, const fmi3ValueReference vr[], size_t n, fmi3Float64 values[],
                                 size_t count) {
    SELF
    return get_values(self, vr, n, values, count);
}

EXPORT fmi3Status fmi3SetFloat64(fmi3Instance c, const fmi3ValueReference vr[], size_t n, const fmi3Float64 values[],
                                 size_t count) {
    SELF
    return set_values(self, vr, n, values, count);
}

/* All variables are of type Float64. */
#define NO_VARIABLES(kind, ctype)                                                                                      \
    EXPORT fmi3Status fmi3Get##kind(fmi3Instance c, const fmi3ValueReference vr[], size_t n, ctype values[],           \
                                    size_t count) {                                                                    \
        SELF(void) vr, (void)values, (void)count;                                                                      \
        return n ? say(self, ERROR, "there is no " #kind " variable") : OK;                                            \
    }                                                                                                                  \
    EXPORT fmi3Status fmi3Set##kind(fmi3Instance c, const fmi3ValueReference vr[], size_t n, const ctype values[],     \
                                    size_t count) {                                                                    \
        SELF(void) vr, (void)values, (void)count;                                                                      \
        return n ? say(self, ERROR, "there is no " #kind " variable") : OK;                                            \
    }
NO_VARIABLES(Float32, float)
NO_VARIABLES(Int8, int8_t)
NO_VARIABLES(UInt8, uint8_t)
NO_VARIABLES(Int16, int16_t)
NO_VARIABLES(UInt16, uint16_t)
NO_VARIABLES(Int32, int32_t)
NO_VARIABLES(UInt32, uint32_t)
NO_VARIABLES(Int64, int64_t)
NO_VARIABLES(UInt64, uint64_t)
NO_VARIABLES(Boolean, fmi3Boolean)
NO_VARIABLES(String, fmi3String)

#define NONE_OF(what, n) return (n) ? say(self, ERROR, "there is no " what) : OK;

EXPORT fmi3Status fmi3GetBinary(fmi3Instance c, const fmi3ValueReference vr[], size_t n, size_t sizes[],
                                fmi3Binary values[], size_t count) {
    SELF
    (void)vr, (void)sizes, (void)values, (void)count;
    NONE_OF("Binary variable", n)
}

EXPORT fmi3Status fmi3SetBinary(fmi3Instance c, const fmi3ValueReference vr[], size_t n, const size_t sizes[],
                                const fmi3Binary values[], size_t count) {
    SELF
    (void)vr, (void)sizes, (void)values, (void)count;
    NONE_OF("Binary variable", n)
}

#define NO_CLOCK(name, ...)                                                                                            \
    EXPORT fmi3Status fmi3##name(fmi3Instance c, const fmi3ValueReference vr[], size_t n, __VA_ARGS__) {               \
        SELF(void) vr, (void)a;                                                                                        \
        NONE_OF("clock", n)                                                                                            \
    }
#define NO_CLOCK_2(name, first, second)                                                                                \
    EXPORT fmi3Status fmi3##name(fmi3Instance c, const fmi3ValueReference vr[], size_t n, first, second) {             \
        SELF(void) vr, (void)a, (void)b;                                                                               \
        NONE_OF("clock", n)                                                                                            \
    }
#define NO_CLOCK_3(name, first, second, third)                                                                         \
    EXPORT fmi3Status fmi3##name(fmi3Instance c, const fmi3ValueReference vr[], size_t n, first, second, third) {      \
        SELF(void) vr, (void)a, (void)b, (void)d;                                                                      \
        NONE_OF("clock", n)                                                                                            \
    }
NO_CLOCK(GetClock, fmi3Clock a[])
NO_CLOCK(SetClock, const fmi3Clock a[])
NO_CLOCK_2(GetIntervalDecimal, fmi3Float64 a[], int b[])
NO_CLOCK_3(GetIntervalFraction, uint64_t a[], uint64_t b[], int d[])
NO_CLOCK(GetShiftDecimal, fmi3Float64 a[])
NO_CLOCK_2(GetShiftFraction, uint64_t a[], uint64_t b[])
NO_CLOCK(SetIntervalDecimal, const fmi3Float64 a[])
NO_CLOCK_2(SetIntervalFraction, const uint64_t a[], const uint64_t b[])
NO_CLOCK(SetShiftDecimal, const fmi3Float64 a[])
NO_CLOCK_2(SetShiftFraction, const uint64_t a[], const uint64_t b[])

EXPORT fmi3Status fmi3GetNumberOfVariableDependencies(fmi3Instance c, fmi3ValueReference vr, size_t *count) {
    SELF
    (void)vr, (void)count;
    return say(self, ERROR, "dependencies are those of the model description; there are none per element");
}

EXPORT fmi3Status fmi3GetVariableDependencies(fmi3Instance c, fmi3ValueReference vr, size_t elements[],
                                              fmi3ValueReference independents[], size_t of[], int kinds[],
                                              size_t count) {
    SELF
    (void)vr, (void)elements, (void)independents, (void)of, (void)kinds, (void)count;
    return say(self, ERROR, "dependencies are those of the model description; there are none per element");
}

EXPORT fmi3Status fmi3GetFMUState(fmi3Instance c, fmi3FMUState *state) { SELF return save_state(self, state); }
EXPORT fmi3Status fmi3SetFMUState(fmi3Instance c, fmi3FMUState state) { SELF return restore_state(self, state); }

EXPORT fmi3Status fmi3FreeFMUState(fmi3Instance c, fmi3FMUState *state) {
    (void)c;
    if (state) {
        free(*state);
        *state = NULL;
    }
    return OK;
}

EXPORT fmi3Status fmi3SerializedFMUStateSize(fmi3Instance c, fmi3FMUState state, size_t *size) {
    (void)c, (void)state;
    *size = SERIALIZED;
    return OK;
}

EXPORT fmi3Status fmi3SerializeFMUState(fmi3Instance c, fmi3FMUState state, fmi3Byte bytes[], size_t size) {
    SELF
    return serialize(self, state, bytes, size);
}

EXPORT fmi3Status fmi3DeserializeFMUState(fmi3Instance c, const fmi3Byte bytes[], size_t size, fmi3FMUState *state) {
    SELF
    return deserialize(self, bytes, size, state);
}

EXPORT fmi3Status fmi3GetDirectionalDerivative(fmi3Instance c, const fmi3ValueReference of[], size_t n_of,
                                               const fmi3ValueReference to[], size_t n_to, const fmi3Float64 seed[],
                                               size_t seeds, fmi3Float64 result[], size_t results) {
    SELF
    return directional(self, of, n_of, to, n_to, seed, seeds, result, results);
}

EXPORT fmi3Status fmi3GetAdjointDerivative(fmi3Instance c, const fmi3ValueReference of[], size_t n_of,
                                           const fmi3ValueReference to[], size_t n_to, const fmi3Float64 seed[],
                                           size_t seeds, fmi3Float64 result[], size_t results) {
    SELF
    return adjoint(self, of, n_of, to, n_to, seed, seeds, result, results);
}

EXPORT fmi3Status fmi3EnterConfigurationMode(fmi3Instance c) {
    SELF
    return say(self, ERROR, "there are no structural parameters to configure");
}

EXPORT fmi3Status fmi3ExitConfigurationMode(fmi3Instance c) {
    SELF
    return say(self, ERROR, "there are no structural parameters to configure");
}

/* -- events -------------------------------------------------------------------------------------------------------- */

EXPORT fmi3Status fmi3EvaluateDiscreteStates(fmi3Instance c) {
    SELF
    return self->s.phase == EVENT_MODE ? OK : say(self, ERROR, "discrete states are evaluated outside event mode");
}

EXPORT fmi3Status fmi3UpdateDiscreteStates(fmi3Instance c, fmi3Boolean *again, fmi3Boolean *end, fmi3Boolean *nominals,
                                           fmi3Boolean *states, fmi3Boolean *defined, fmi3Float64 *next_time) {
    int changed = 0;
    double next = INFINITY;
    Status status;
    SELF
    if (self->s.phase != EVENT_MODE) return say(self, ERROR, "discrete states are updated outside event mode");
    status = update_discrete(self, &changed, &next);
    *again = *nominals = false;
    *end = self->s.stopped != 0;
    *states = changed != 0;
    *defined = isfinite(next) ? true : false;
    *next_time = isfinite(next) ? next : 0.0;
    return status;
}

/* -- model exchange ------------------------------------------------------------------------------------------------ */

EXPORT fmi3Status fmi3EnterContinuousTimeMode(fmi3Instance c) { SELF return enter_continuous(self); }

EXPORT fmi3Status fmi3CompletedIntegratorStep(fmi3Instance c, fmi3Boolean final, fmi3Boolean *event, fmi3Boolean *end) {
    int due = 0;
    Status status;
    SELF
    (void)final;
    status = completed_step(self, &due);
    *event = due != 0;
    *end = false;
    return status;
}

EXPORT fmi3Status fmi3SetTime(fmi3Instance c, fmi3Float64 time) { SELF return set_time(self, time); }

EXPORT fmi3Status fmi3SetContinuousStates(fmi3Instance c, const fmi3Float64 x[], size_t n) {
    SELF
    return set_states(self, x, n);
}

EXPORT fmi3Status fmi3GetContinuousStateDerivatives(fmi3Instance c, fmi3Float64 dx[], size_t n) {
    SELF
    return get_derivatives(self, dx, n);
}

EXPORT fmi3Status fmi3GetEventIndicators(fmi3Instance c, fmi3Float64 z[], size_t n) {
    SELF
    return get_indicators(self, z, n);
}

EXPORT fmi3Status fmi3GetContinuousStates(fmi3Instance c, fmi3Float64 x[], size_t n) {
    SELF
    return get_block(self, self->s.y, x, n);
}

EXPORT fmi3Status fmi3GetNominalsOfContinuousStates(fmi3Instance c, fmi3Float64 x[], size_t n) {
    SELF
    return get_block(self, NOMINAL_Y, x, n);
}

EXPORT fmi3Status fmi3GetNumberOfEventIndicators(fmi3Instance c, size_t *count) {
    (void)c;
    *count = NR;
    return OK;
}

EXPORT fmi3Status fmi3GetNumberOfContinuousStates(fmi3Instance c, size_t *count) {
    (void)c;
    *count = NX;
    return OK;
}

/* -- co-simulation ------------------------------------------------------------------------------------------------- */

EXPORT fmi3Status fmi3EnterStepMode(fmi3Instance c) {
    SELF
    return say(self, ERROR, "there is no event mode in co-simulation: events happen inside steps");
}

EXPORT fmi3Status fmi3GetOutputDerivatives(fmi3Instance c, const fmi3ValueReference vr[], size_t n,
                                           const int32_t orders[], fmi3Float64 values[], size_t count) {
    SELF
    (void)vr, (void)orders, (void)values, (void)count;
    return n ? say(self, ERROR, "derivatives of outputs are not provided") : OK;
}

EXPORT fmi3Status fmi3DoStep(fmi3Instance c, fmi3Float64 from, fmi3Float64 length, fmi3Boolean final,
                             fmi3Boolean *event, fmi3Boolean *end, fmi3Boolean *early, fmi3Float64 *last) {
    Status status;
    SELF
    (void)final;
    if (self->s.stopped) return say(self, ERROR, "a step is asked for after an event has ended the run");
    status = do_step(self, from, length);
    *event = *early = false;
    *end = self->s.stopped != 0;
    *last = self->s.time;
    return status;
}

EXPORT fmi3Status fmi3ActivateModelPartition(fmi3Instance c, fmi3ValueReference clock, fmi3Float64 time) {
    SELF
    (void)clock, (void)time;
    return say(self, ERROR, "this FMU does not offer scheduled execution");
}
