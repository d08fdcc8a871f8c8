/* A forced, damped oscillator as an FMI 2.0 FMU for co-simulation and model exchange, with saved states, directional
   derivatives, a floor it bounces off (model exchange), and, on request, every kind of bad behaviour. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "fmi2Functions.h"

enum { FORCE, SWITCH, X, V, POWER, COUNT, K, D, TRICK, FLOOR, DX, DV, NAME, NEXT };
typedef struct {
    double t, x, v, force, k, d, floor, next;
    int on, count, trick, floored;
    char name[64];
    const fmi2CallbackFunctions *calls;
    char label[64];
} Spring;

const char *fmi2GetTypesPlatform(void) { return "default"; }
const char *fmi2GetVersion(void) { return "2.0"; }
fmi2Status fmi2SetDebugLogging(fmi2Component c, fmi2Boolean on, size_t n, const fmi2String s[]) { return fmi2OK; }

fmi2Component fmi2Instantiate(fmi2String name, fmi2Type type, fmi2String guid, fmi2String where,
                              const fmi2CallbackFunctions *calls, fmi2Boolean visible, fmi2Boolean logging) {
    Spring *m = calloc(1, sizeof *m);
    if (strcmp(guid, "spring")) { free(m); return NULL; }
    m->x = 1; m->k = 4; m->d = 0.5; m->on = 1; m->floor = -1e9; m->calls = calls; m->next = -1;
    strcpy(m->name, "hello");
    strncpy(m->label, name, 63);
    return m;
}
void fmi2FreeInstance(fmi2Component c) { free(c); }
fmi2Status fmi2SetupExperiment(fmi2Component c, fmi2Boolean a, fmi2Real b, fmi2Real t0, fmi2Boolean d, fmi2Real e) {
    ((Spring *)c)->t = t0; return fmi2OK;
}
fmi2Status fmi2EnterInitializationMode(fmi2Component c) { return fmi2OK; }
fmi2Status fmi2ExitInitializationMode(fmi2Component c) { return ((Spring *)c)->trick == 9 ? fmi2Error : fmi2OK; }
fmi2Status fmi2Terminate(fmi2Component c) { return fmi2OK; }
fmi2Status fmi2Reset(fmi2Component c) { return fmi2OK; }

static double applied(Spring *m) { return m->on ? m->force : 0; }
static double accel(Spring *m) { return applied(m) - m->k * m->x - m->d * m->v; }

fmi2Status fmi2GetReal(fmi2Component c, const fmi2ValueReference vr[], size_t n, fmi2Real value[]) {
    Spring *m = c;
    for (size_t i = 0; i < n; i++) switch (vr[i]) {
        case FORCE: value[i] = m->force; break;
        case X: value[i] = m->x; break;
        case V: value[i] = m->v; break;
        case POWER: value[i] = m->v * applied(m); break;
        case K: value[i] = m->k; break;
        case D: value[i] = m->d; break;
        case FLOOR: value[i] = m->floor; break;
        case DX: value[i] = m->v; break;
        case DV: value[i] = accel(m); break;
        case NEXT: value[i] = m->next; break;
        default: return fmi2Error;
    }
    return fmi2OK;
}
fmi2Status fmi2SetReal(fmi2Component c, const fmi2ValueReference vr[], size_t n, const fmi2Real value[]) {
    Spring *m = c;
    for (size_t i = 0; i < n; i++) switch (vr[i]) {
        case FORCE: m->force = value[i]; break;
        case X: m->x = value[i]; break;
        case V: m->v = value[i]; break;
        case K: m->k = value[i]; break;
        case D: m->d = value[i]; break;
        case FLOOR: m->floor = value[i]; break;
        case NEXT: m->next = value[i]; break;
        default: return fmi2Error;
    }
    return fmi2OK;
}
fmi2Status fmi2GetInteger(fmi2Component c, const fmi2ValueReference vr[], size_t n, fmi2Integer value[]) {
    for (size_t i = 0; i < n; i++) value[i] = vr[i] == COUNT ? ((Spring *)c)->count : ((Spring *)c)->trick;
    return fmi2OK;
}
fmi2Status fmi2SetInteger(fmi2Component c, const fmi2ValueReference vr[], size_t n, const fmi2Integer value[]) {
    for (size_t i = 0; i < n; i++) { if (vr[i] != TRICK) return fmi2Error; ((Spring *)c)->trick = value[i]; }
    return fmi2OK;
}
fmi2Status fmi2GetBoolean(fmi2Component c, const fmi2ValueReference vr[], size_t n, fmi2Boolean value[]) {
    for (size_t i = 0; i < n; i++) value[i] = ((Spring *)c)->on;
    return fmi2OK;
}
fmi2Status fmi2SetBoolean(fmi2Component c, const fmi2ValueReference vr[], size_t n, const fmi2Boolean value[]) {
    for (size_t i = 0; i < n; i++) ((Spring *)c)->on = value[i];
    return fmi2OK;
}
fmi2Status fmi2GetString(fmi2Component c, const fmi2ValueReference vr[], size_t n, fmi2String value[]) {
    for (size_t i = 0; i < n; i++) value[i] = ((Spring *)c)->name;
    return fmi2OK;
}
fmi2Status fmi2SetString(fmi2Component c, const fmi2ValueReference vr[], size_t n, const fmi2String value[]) {
    for (size_t i = 0; i < n; i++) strncpy(((Spring *)c)->name, value[i], 63);
    return fmi2OK;
}

fmi2Status fmi2GetFMUstate(fmi2Component c, fmi2FMUstate *s) {
    if (!*s) *s = malloc(sizeof(Spring));
    memcpy(*s, c, sizeof(Spring));
    return fmi2OK;
}
fmi2Status fmi2SetFMUstate(fmi2Component c, fmi2FMUstate s) { memcpy(c, s, sizeof(Spring)); return fmi2OK; }
fmi2Status fmi2FreeFMUstate(fmi2Component c, fmi2FMUstate *s) { free(*s); *s = NULL; return fmi2OK; }
fmi2Status fmi2SerializedFMUstateSize(fmi2Component c, fmi2FMUstate s, size_t *n) { return fmi2Error; }
fmi2Status fmi2SerializeFMUstate(fmi2Component c, fmi2FMUstate s, fmi2Byte b[], size_t n) { return fmi2Error; }
fmi2Status fmi2DeSerializeFMUstate(fmi2Component c, const fmi2Byte b[], size_t n, fmi2FMUstate *s) { return fmi2Error; }

fmi2Status fmi2GetDirectionalDerivative(fmi2Component c, const fmi2ValueReference of[], size_t nof,
                                        const fmi2ValueReference to[], size_t nto, const fmi2Real seed[],
                                        fmi2Real result[]) {
    Spring *m = c;
    for (size_t i = 0; i < nof; i++) {
        result[i] = 0;
        for (size_t j = 0; j < nto; j++) {
            if (of[i] == POWER && to[j] == FORCE) result[i] += (m->on ? m->v : 0) * seed[j];
            if (of[i] == POWER && to[j] == V) result[i] += applied(m) * seed[j];
            if (of[i] == DV && to[j] == X) result[i] -= m->k * seed[j];
            if (of[i] == DV && to[j] == FORCE) result[i] += (m->on ? 1 : 0) * seed[j];
        }
    }
    return fmi2OK;
}

/* co-simulation */
fmi2Status fmi2SetRealInputDerivatives(fmi2Component c, const fmi2ValueReference v[], size_t n, const fmi2Integer o[],
                                       const fmi2Real x[]) { return fmi2Error; }
fmi2Status fmi2GetRealOutputDerivatives(fmi2Component c, const fmi2ValueReference v[], size_t n, const fmi2Integer o[],
                                        fmi2Real x[]) { return fmi2Error; }
static void eat(void) { for (;;) { char *p = malloc(1 << 20); if (!p) abort(); memset(p, 1, 1 << 20); } }

fmi2Status fmi2DoStep(fmi2Component c, fmi2Real t, fmi2Real dt, fmi2Boolean last) {
    Spring *m = c;
    volatile int *nowhere = NULL;
    switch (m->trick) {
        case 1: *nowhere = 1; break;
        case 2: for (;;) { m->count++; }
        case 3: eat(); break;
        case 4: m->calls->logger(m->calls->componentEnvironment, m->label, fmi2Error, "error", "the spring broke");
                return fmi2Error;
        case 5: return fmi2Discard;
        case 6: return fmi2Fatal;
        case 7: return 42;
        case 8: exit(3);
        case 10: usleep(30000);
    }
    if (dt <= 0) return fmi2Error;
    int n = 1 + (int)(dt / 1e-3);
    double h = dt / n;
    for (int i = 0; i < n; i++) { m->v += h * accel(m); m->x += h * m->v; }
    m->t = t + dt; m->count++;
    return fmi2OK;
}
fmi2Status fmi2CancelStep(fmi2Component c) { return fmi2Error; }
fmi2Status fmi2GetStatus(fmi2Component c, const fmi2StatusKind k, fmi2Status *v) { return fmi2Error; }
fmi2Status fmi2GetRealStatus(fmi2Component c, const fmi2StatusKind k, fmi2Real *v) { *v = ((Spring *)c)->t; return fmi2OK; }
fmi2Status fmi2GetIntegerStatus(fmi2Component c, const fmi2StatusKind k, fmi2Integer *v) { return fmi2Error; }
fmi2Status fmi2GetBooleanStatus(fmi2Component c, const fmi2StatusKind k, fmi2Boolean *v) { *v = 1; return fmi2OK; }
fmi2Status fmi2GetStringStatus(fmi2Component c, const fmi2StatusKind k, fmi2String *v) { return fmi2Error; }

/* model exchange */
fmi2Status fmi2EnterEventMode(fmi2Component c) { return fmi2OK; }
fmi2Status fmi2NewDiscreteStates(fmi2Component c, fmi2EventInfo *info) {
    Spring *m = c;
    memset(info, 0, sizeof *info);
    if (m->x <= m->floor && m->v < 0) { m->v = -m->v; m->count++; info->valuesOfContinuousStatesChanged = 1; }
    if (m->next >= 0 && m->t >= m->next - 1e-12) { m->v += 1; m->next += 0.5; m->count++; info->valuesOfContinuousStatesChanged = 1; }
    if (m->next >= 0) { info->nextEventTimeDefined = 1; info->nextEventTime = m->next; }
    if (m->trick == 5) info->terminateSimulation = 1;
    return fmi2OK;
}
fmi2Status fmi2EnterContinuousTimeMode(fmi2Component c) { return fmi2OK; }
fmi2Status fmi2CompletedIntegratorStep(fmi2Component c, fmi2Boolean n, fmi2Boolean *event, fmi2Boolean *end) {
    *event = 0; *end = 0; return fmi2OK;
}
fmi2Status fmi2SetTime(fmi2Component c, fmi2Real t) { ((Spring *)c)->t = t; return fmi2OK; }
fmi2Status fmi2SetContinuousStates(fmi2Component c, const fmi2Real x[], size_t n) {
    ((Spring *)c)->x = x[0]; ((Spring *)c)->v = x[1]; return fmi2OK;
}
fmi2Status fmi2GetDerivatives(fmi2Component c, fmi2Real dx[], size_t n) {
    Spring *m = c;
    dx[0] = m->v; dx[1] = accel(m);
    return m->trick == 4 ? fmi2Error : fmi2OK;
}
fmi2Status fmi2GetEventIndicators(fmi2Component c, fmi2Real z[], size_t n) {
    Spring *m = c; z[0] = m->x - m->floor; return fmi2OK;
}
fmi2Status fmi2GetContinuousStates(fmi2Component c, fmi2Real x[], size_t n) {
    x[0] = ((Spring *)c)->x; x[1] = ((Spring *)c)->v; return fmi2OK;
}
fmi2Status fmi2GetNominalsOfContinuousStates(fmi2Component c, fmi2Real x[], size_t n) { x[0] = x[1] = 1; return fmi2OK; }
