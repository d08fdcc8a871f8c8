/* FMI 3.0 for co-simulation (with event mode) and model exchange: arrays sized by structural parameters, every type,
   clocks of several kinds, saved states as bytes, directional and adjoint derivatives. Calls in a mode in which FMI 3.0
   does not allow them are errors, so that an importer that takes a liberty is found out. */
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "fmi3FunctionTypes.h"

enum { TIME, N, M, A, U, Y, X, DX, ALARM, ALARMS, TRICK, SAMPLER, TUNED, TRIGGER, LIMIT, TIMER,
       SETPOINT, HELD, SAMPLES, PRESSES, TUNED_COUNT, TIMEOUTS, CHOICE, LEVEL, DOUBLED };
enum { MADE, CONFIGURING, INITIALIZING, EVENTS, STEPPING, RUNNING };
enum { MAX = 6 };
typedef struct {
    int mode, exchange, event_mode, early;
    double t, a[MAX * MAX], u[MAX], x[MAX], alarm, setpoint, held, period;
    uint64_t n, m;
    int64_t choice;
    int32_t alarms, trick, samples, presses, tuned, timeouts, level, doubled;
    bool active[TIMER + 1], started;
    float f32[2]; int8_t i8[2]; uint8_t u8[2]; int16_t i16[2]; uint16_t u16[2]; int32_t i32[2]; uint32_t u32[2];
    int64_t i64[2]; uint64_t u64[2]; bool b[2];
    char text[2][64];
    uint8_t blob[2][256]; size_t blob_size[2];
} Model;

#define CHECK(condition) if (!(condition)) return fmi3Error
#define ME (m->exchange)
static void hang(void) { for (;;) { static volatile int i; i++; } }
static void crash(void) { raise(SIGSEGV); } /* a plain bad access is something a compiler may leave out */

const char *fmi3GetVersion(void) { return "3.0"; }
static Model *make(fmi3String token) {
    if (strcmp(token, "clocks")) return NULL;
    Model *m = calloc(1, sizeof *m);
    m->n = 2; m->m = 3; m->alarm = -1; m->period = 0.5; m->choice = 1;
    for (int i = 0; i < MAX * MAX; i++) m->a[i] = i + 1;
    for (int i = 0; i < 2; i++) { strcpy(m->text[i], "start"); m->blob_size[i] = 1; m->blob[i][0] = 0xff; }
    return m;
}
fmi3Instance fmi3InstantiateModelExchange(fmi3String name, fmi3String token, fmi3String where, bool v, bool l,
                                          fmi3InstanceEnvironment e, fmi3LogMessageCallback log) {
    Model *m = make(token);
    if (m) m->exchange = 1;
    return m;
}
fmi3Instance fmi3InstantiateCoSimulation(fmi3String name, fmi3String token, fmi3String where, bool v, bool l, bool events,
                                         bool early, const fmi3ValueReference r[], size_t nr, fmi3InstanceEnvironment e,
                                         fmi3LogMessageCallback log, fmi3IntermediateUpdateCallback update) {
    Model *m = make(token);
    if (m) { m->event_mode = events; m->early = early; }
    return m;
}
fmi3Instance fmi3InstantiateScheduledExecution(fmi3String a, fmi3String b, fmi3String c, bool d, bool f,
    fmi3InstanceEnvironment g, fmi3LogMessageCallback h, fmi3ClockUpdateCallback i, fmi3LockPreemptionCallback j,
    fmi3UnlockPreemptionCallback k) { return NULL; }
void fmi3FreeInstance(void *m) { free(m); }
fmi3Status fmi3SetDebugLogging(void *m, bool on, size_t n, const fmi3String c[]) { return fmi3OK; }
fmi3Status fmi3EnterConfigurationMode(void *c) { Model *m = c; CHECK(m->mode == MADE); m->mode = CONFIGURING; return fmi3OK; }
fmi3Status fmi3ExitConfigurationMode(void *c) { Model *m = c; CHECK(m->mode == CONFIGURING); m->mode = MADE; return fmi3OK; }
fmi3Status fmi3EnterInitializationMode(void *c, bool a, double b, double t0, bool d, double e) {
    Model *m = c;
    CHECK(m->mode == MADE);
    m->mode = INITIALIZING; m->t = t0;
    return fmi3OK;
}
fmi3Status fmi3ExitInitializationMode(void *c) {
    Model *m = c;
    CHECK(m->mode == INITIALIZING);
    m->mode = m->exchange || m->event_mode ? EVENTS : STEPPING;
    return fmi3OK;
}
fmi3Status fmi3EnterEventMode(void *c) {
    Model *m = c;
    CHECK(m->mode == (ME ? RUNNING : STEPPING));
    if (m->trick == 3) hang();
    m->mode = EVENTS;
    return fmi3OK;
}
fmi3Status fmi3EnterStepMode(void *c) { Model *m = c; CHECK(m->mode == EVENTS && !ME); m->mode = STEPPING; return fmi3OK; }
fmi3Status fmi3EnterContinuousTimeMode(void *c) { Model *m = c; CHECK(m->mode == EVENTS && ME); m->mode = RUNNING; return fmi3OK; }
fmi3Status fmi3Terminate(void *m) { return fmi3OK; }
fmi3Status fmi3Reset(void *m) { return fmi3Error; }

static void rates(Model *m, double *d) {
    for (uint64_t i = 0; i < m->m; i++) {
        d[i] = -m->x[i];
        for (uint64_t j = 0; j < m->n; j++) d[i] += m->a[i * m->n + j] * m->u[j];
    }
}
static double *real(Model *m, fmi3ValueReference vr, size_t *n) {
    *n = 1;
    switch (vr) {
        case TIME: return &m->t; case ALARM: return &m->alarm; case SETPOINT: return &m->setpoint;
        case HELD: return &m->held;
        case A: *n = m->m * m->n; return m->a;
        case U: *n = m->n; return m->u;
        case X: case Y: *n = m->m; return m->x;
    }
    return NULL;
}
fmi3Status fmi3GetFloat64(void *c, const fmi3ValueReference vr[], size_t n, double value[], size_t count) {
    Model *m = c; double d[MAX]; size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        size_t size; double *from = real(m, vr[i], &size);
        if (vr[i] == DX) { rates(m, d); from = d; size = m->m; }
        CHECK(from && k + size <= count);
        memcpy(value + k, from, size * sizeof *value); k += size;
    }
    CHECK(k == count);
    return fmi3OK;
}
fmi3Status fmi3SetFloat64(void *c, const fmi3ValueReference vr[], size_t n, const double value[], size_t count) {
    Model *m = c; size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        size_t size; double *into = real(m, vr[i], &size);
        CHECK(into && k + size <= count && m->mode != CONFIGURING);
        if (vr[i] == SETPOINT) CHECK(m->mode == EVENTS && m->active[SAMPLER]);
        if (vr[i] == A || vr[i] == ALARM) CHECK(m->mode == MADE || m->mode == INITIALIZING);
        memcpy(into, value + k, size * sizeof *value); k += size;
    }
    CHECK(k == count);
    return fmi3OK;
}
fmi3Status fmi3GetUInt64(void *c, const fmi3ValueReference vr[], size_t n, uint64_t value[], size_t count) {
    Model *m = c; size_t k = 0;
    for (size_t i = 0; i < n; i++) switch (vr[i]) {
        case N: value[k++] = m->n; break;
        case M: value[k++] = m->m; break;
        default: value[k++] = m->u64[0]; value[k++] = m->u64[1];
    }
    return k == count ? fmi3OK : fmi3Error;
}
fmi3Status fmi3SetUInt64(void *c, const fmi3ValueReference vr[], size_t n, const uint64_t value[], size_t count) {
    Model *m = c; size_t k = 0;
    for (size_t i = 0; i < n; i++) switch (vr[i]) {
        case N: CHECK(m->mode == CONFIGURING && value[k] <= MAX); m->n = value[k++]; break;
        case M: CHECK(m->mode == CONFIGURING && value[k] <= MAX); m->m = value[k++]; break;
        default: m->u64[0] = value[k++]; m->u64[1] = value[k++];
    }
    return k == count ? fmi3OK : fmi3Error;
}
static int32_t *whole(Model *m, fmi3ValueReference vr) {
    switch (vr) {
        case ALARMS: return &m->alarms; case TRICK: return &m->trick; case SAMPLES: return &m->samples;
        case PRESSES: return &m->presses; case TUNED_COUNT: return &m->tuned; case TIMEOUTS: return &m->timeouts;
        case LEVEL: return &m->level; case DOUBLED: return &m->doubled;
    }
    return NULL;
}
fmi3Status fmi3GetInt32(void *c, const fmi3ValueReference vr[], size_t n, int32_t value[], size_t count) {
    Model *m = c; size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (whole(m, vr[i])) value[k++] = *whole(m, vr[i]);
        else { value[k++] = m->i32[0]; value[k++] = m->i32[1]; }
    }
    return k == count ? fmi3OK : fmi3Error;
}
fmi3Status fmi3SetInt32(void *c, const fmi3ValueReference vr[], size_t n, const int32_t value[], size_t count) {
    Model *m = c; size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (vr[i] == LEVEL) CHECK(m->mode != STEPPING && m->mode != RUNNING || !(ME || m->event_mode));
        if (whole(m, vr[i])) *whole(m, vr[i]) = value[k++];
        else { m->i32[0] = value[k++]; m->i32[1] = value[k++]; }
    }
    return k == count ? fmi3OK : fmi3Error;
}
fmi3Status fmi3GetInt64(void *c, const fmi3ValueReference vr[], size_t n, int64_t value[], size_t count) {
    Model *m = c; size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (vr[i] == CHOICE) value[k++] = m->choice;
        else { value[k++] = m->i64[0]; value[k++] = m->i64[1]; }
    }
    return k == count ? fmi3OK : fmi3Error;
}
fmi3Status fmi3SetInt64(void *c, const fmi3ValueReference vr[], size_t n, const int64_t value[], size_t count) {
    Model *m = c; size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (vr[i] == CHOICE) m->choice = value[k++];
        else { m->i64[0] = value[k++]; m->i64[1] = value[k++]; }
    }
    return k == count ? fmi3OK : fmi3Error;
}
/* inputs of two values, and outputs that repeat them: both have the same place */
#define ECHO(Name, type, field)                                                                                        \
    fmi3Status fmi3Get##Name(void *c, const fmi3ValueReference vr[], size_t n, type v[], size_t count) {               \
        for (size_t i = 0; i < n; i++) memcpy(v + 2 * i, ((Model *)c)->field, 2 * sizeof *v);                          \
        return count == 2 * n ? fmi3OK : fmi3Error;                                                                    \
    }                                                                                                                  \
    fmi3Status fmi3Set##Name(void *c, const fmi3ValueReference vr[], size_t n, const type v[], size_t count) {         \
        CHECK(n == 1 && count == 2);                                                                                   \
        memcpy(((Model *)c)->field, v, 2 * sizeof *v);                                                                 \
        return fmi3OK;                                                                                                 \
    }
ECHO(Float32, float, f32) ECHO(Int8, int8_t, i8) ECHO(UInt8, uint8_t, u8) ECHO(Int16, int16_t, i16)
ECHO(UInt16, uint16_t, u16) ECHO(UInt32, uint32_t, u32) ECHO(Boolean, bool, b)
fmi3Status fmi3GetString(void *c, const fmi3ValueReference vr[], size_t n, fmi3String v[], size_t count) {
    for (size_t i = 0; i < count; i++) v[i] = ((Model *)c)->text[i % 2];
    return fmi3OK;
}
fmi3Status fmi3SetString(void *c, const fmi3ValueReference vr[], size_t n, const fmi3String v[], size_t count) {
    CHECK(count == 2);
    for (int i = 0; i < 2; i++) strncpy(((Model *)c)->text[i], v[i], 63);
    return fmi3OK;
}
fmi3Status fmi3GetBinary(void *c, const fmi3ValueReference vr[], size_t n, size_t sizes[], fmi3Binary v[], size_t count) {
    Model *m = c;
    if (m->trick == 1) crash();
    for (size_t i = 0; i < count; i++) { v[i] = m->blob[i % 2]; sizes[i] = m->trick == 7 ? (size_t)1 << 40 : m->blob_size[i % 2]; }
    return fmi3OK;
}
fmi3Status fmi3SetBinary(void *c, const fmi3ValueReference vr[], size_t n, const size_t sizes[], const fmi3Binary v[], size_t count) {
    Model *m = c;
    CHECK(count == 2);
    for (int i = 0; i < 2; i++) { CHECK(sizes[i] <= 256); memcpy(m->blob[i], v[i], sizes[i]); m->blob_size[i] = sizes[i]; }
    return fmi3OK;
}

/* clocks */
fmi3Status fmi3GetClock(void *c, const fmi3ValueReference vr[], size_t n, fmi3Clock v[]) {
    Model *m = c;
    CHECK(m->mode == EVENTS);
    for (size_t i = 0; i < n; i++) {
        CHECK(vr[i] == LIMIT);
        v[i] = (m->alarm >= 0 && m->t >= m->alarm - 1e-9) || m->active[LIMIT];
    }
    return fmi3OK;
}
fmi3Status fmi3SetClock(void *c, const fmi3ValueReference vr[], size_t n, const fmi3Clock v[]) {
    Model *m = c;
    CHECK(m->mode == EVENTS);
    for (size_t i = 0; i < n; i++) {
        CHECK(vr[i] >= SAMPLER && vr[i] <= TIMER && vr[i] != LIMIT);
        m->active[vr[i]] = v[i];
    }
    return fmi3OK;
}
fmi3Status fmi3GetIntervalDecimal(void *c, const fmi3ValueReference vr[], size_t n, double v[], fmi3IntervalQualifier q[]) {
    Model *m = c;
    for (size_t i = 0; i < n; i++) {
        q[i] = fmi3IntervalNotYetKnown; v[i] = 0;
        if (vr[i] == TUNED) { v[i] = m->period; q[i] = fmi3IntervalUnchanged; }
        if (vr[i] == TIMER && m->started) { v[i] = 0.125; q[i] = fmi3IntervalChanged; m->started = false; }
    }
    return fmi3OK;
}
fmi3Status fmi3SetIntervalDecimal(void *c, const fmi3ValueReference vr[], size_t n, const double v[]) {
    Model *m = c;
    CHECK(n == 1 && vr[0] == TUNED && (m->mode == INITIALIZING || m->mode == EVENTS));
    m->period = v[0];
    return fmi3OK;
}
fmi3Status fmi3GetShiftDecimal(void *c, const fmi3ValueReference vr[], size_t n, double v[]) {
    for (size_t i = 0; i < n; i++) v[i] = 0.25;
    return fmi3OK;
}
fmi3Status fmi3EvaluateDiscreteStates(void *m) { return fmi3Error; }
fmi3Status fmi3UpdateDiscreteStates(void *c, bool *again, bool *end, bool *nominals, bool *states, bool *defined, double *next) {
    Model *m = c;
    CHECK(m->mode == EVENTS);
    *again = m->trick == 5; *end = m->trick == 6; *nominals = *states = false;
    if (m->active[SAMPLER]) { m->held = m->setpoint; m->samples++; }
    if (m->active[TUNED]) m->tuned++;
    if (m->active[TIMER]) m->timeouts++;
    if (m->active[TRIGGER]) { m->presses++; m->started = true; }
    if (m->alarm >= 0 && m->t >= m->alarm - 1e-9) { m->alarms++; m->alarm = -1; }
    m->doubled = 2 * m->level;
    memset(m->active, 0, sizeof m->active);
    *defined = m->alarm >= 0; *next = m->alarm;
    return fmi3OK;
}

/* states */
fmi3Status fmi3GetFMUState(void *c, fmi3FMUState *s) { if (!*s) *s = malloc(sizeof(Model)); memcpy(*s, c, sizeof(Model)); return fmi3OK; }
fmi3Status fmi3SetFMUState(void *c, fmi3FMUState s) { memcpy(c, s, sizeof(Model)); return fmi3OK; }
fmi3Status fmi3FreeFMUState(void *c, fmi3FMUState *s) { free(*s); *s = NULL; return fmi3OK; }
fmi3Status fmi3SerializedFMUStateSize(void *c, fmi3FMUState s, size_t *n) { *n = sizeof(Model); return fmi3OK; }
fmi3Status fmi3SerializeFMUState(void *c, fmi3FMUState s, uint8_t b[], size_t n) {
    if (((Model *)c)->trick == 2) hang();
    CHECK(n == sizeof(Model));
    memcpy(b, s, n);
    return fmi3OK;
}
fmi3Status fmi3DeserializeFMUState(void *c, const uint8_t b[], size_t n, fmi3FMUState *s) {
    CHECK(n == sizeof(Model));
    *s = malloc(n); memcpy(*s, b, n);
    return fmi3OK;
}

/* derivatives */
static int entry(Model *m, fmi3ValueReference of, fmi3ValueReference to) { return of == DX && to == U; }
fmi3Status fmi3GetDirectionalDerivative(void *c, const fmi3ValueReference of[], size_t nof, const fmi3ValueReference to[],
                                        size_t nto, const double seed[], size_t nseed, double result[], size_t nresult) {
    Model *m = c;
    CHECK(nof == 1 && nto == 1 && entry(m, of[0], to[0]) && nseed == m->n && nresult == m->m);
    for (uint64_t i = 0; i < m->m; i++) {
        result[i] = 0;
        for (uint64_t j = 0; j < m->n; j++) result[i] += m->a[i * m->n + j] * seed[j];
    }
    return fmi3OK;
}
fmi3Status fmi3GetAdjointDerivative(void *c, const fmi3ValueReference of[], size_t nof, const fmi3ValueReference to[],
                                    size_t nto, const double seed[], size_t nseed, double result[], size_t nresult) {
    Model *m = c;
    CHECK(nof == 1 && nto == 1 && entry(m, of[0], to[0]) && nseed == m->m && nresult == m->n);
    for (uint64_t j = 0; j < m->n; j++) {
        result[j] = 0;
        for (uint64_t i = 0; i < m->m; i++) result[j] += m->a[i * m->n + j] * seed[i];
    }
    return fmi3OK;
}

/* model exchange */
fmi3Status fmi3SetTime(void *c, double t) { Model *m = c; CHECK(m->mode == RUNNING); m->t = t; return fmi3OK; }
fmi3Status fmi3SetContinuousStates(void *c, const double x[], size_t n) {
    Model *m = c;
    CHECK(m->mode == RUNNING && n == m->m);
    memcpy(m->x, x, n * sizeof *x);
    return fmi3OK;
}
fmi3Status fmi3GetContinuousStates(void *c, double x[], size_t n) { Model *m = c; CHECK(n == m->m); memcpy(x, m->x, n * sizeof *x); return fmi3OK; }
fmi3Status fmi3GetContinuousStateDerivatives(void *c, double d[], size_t n) { CHECK(n == ((Model *)c)->m); rates(c, d); return fmi3OK; }
fmi3Status fmi3GetNominalsOfContinuousStates(void *c, double x[], size_t n) { for (size_t i = 0; i < n; i++) x[i] = 1; return fmi3OK; }
fmi3Status fmi3GetNumberOfContinuousStates(void *c, size_t *n) { *n = ((Model *)c)->m; return fmi3OK; }
fmi3Status fmi3GetNumberOfEventIndicators(void *c, size_t *n) { *n = 0; return fmi3OK; }
fmi3Status fmi3GetEventIndicators(void *c, double z[], size_t n) { return n ? fmi3Error : fmi3OK; }
fmi3Status fmi3CompletedIntegratorStep(void *c, bool a, bool *event, bool *end) { *event = *end = false; return fmi3OK; }

/* co-simulation: exact for inputs that are held */
fmi3Status fmi3DoStep(void *c, double t, double dt, bool last, bool *event, bool *end, bool *early, double *reached) {
    Model *m = c; double d[MAX], until = t + dt;
    CHECK(m->mode == STEPPING && fabs(t - m->t) < 1e-9 && dt > 0);
    *event = *end = *early = false;
    if (m->trick == 4) { *early = true; *reached = t; return fmi3OK; }
    if (m->trick == 8) { *early = true; *reached = t + 2 * dt; return fmi3OK; }
    int rings = m->alarm >= 0 && m->alarm <= until + 1e-9;
    if (rings && m->event_mode) {
        *event = true;
        if (m->early && m->alarm < until - 1e-9) { until = m->alarm; *early = true; }
    } else if (rings) { m->alarms++; m->alarm = -1; }
    rates(m, d);
    for (uint64_t i = 0; i < m->m; i++) m->x[i] += d[i] * (1 - exp(-(until - t)));
    if (!m->event_mode) m->doubled = 2 * m->level;
    m->t = *reached = until;
    return fmi3OK;
}

/* what no test calls; FMPy wants it to be there */
#define STUB(name) fmi3Status fmi3##name() { return fmi3Error; }
STUB(GetNumberOfVariableDependencies) STUB(GetVariableDependencies) STUB(GetIntervalFraction) STUB(GetShiftFraction)
STUB(SetIntervalFraction) STUB(SetShiftDecimal) STUB(SetShiftFraction) STUB(GetOutputDerivatives)
STUB(ActivateModelPartition)
