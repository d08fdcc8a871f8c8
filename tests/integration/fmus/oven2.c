/* An oven and its wall as an FMI 2.0 FMU for model exchange, with directional derivatives; above its limit it does, on
   request, what an FMU should not do in the middle of a plan. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "fmi2Functions.h"

enum { Q, T, WALL, WARM, GAIN, TROUBLE, LIMIT, DT, DWALL, LOSS };
typedef struct { double q, t, wall, gain, limit; int trouble, ready; } Oven;

const char *fmi2GetTypesPlatform(void) { return "default"; }
const char *fmi2GetVersion(void) { return "2.0"; }
fmi2Status fmi2SetDebugLogging(fmi2Component c, fmi2Boolean on, size_t n, const fmi2String s[]) { return fmi2OK; }
fmi2Component fmi2Instantiate(fmi2String name, fmi2Type type, fmi2String guid, fmi2String where,
                              const fmi2CallbackFunctions *calls, fmi2Boolean visible, fmi2Boolean logging) {
    Oven *m = calloc(1, sizeof *m);
    m->t = m->wall = 20; m->gain = 2; m->limit = 100;
    return m;
}
void fmi2FreeInstance(fmi2Component c) { free(c); }
fmi2Status fmi2SetupExperiment(fmi2Component c, fmi2Boolean a, fmi2Real b, fmi2Real t0, fmi2Boolean d, fmi2Real e) {
    return fmi2OK;
}
fmi2Status fmi2EnterInitializationMode(fmi2Component c) { return fmi2OK; }
fmi2Status fmi2ExitInitializationMode(fmi2Component c) { ((Oven *)c)->ready = 1; return fmi2OK; }
fmi2Status fmi2Terminate(fmi2Component c) { return fmi2OK; }
fmi2Status fmi2Reset(fmi2Component c) { return fmi2OK; }

/* heating that fades as it gets hot, exchange with the wall, loss from the wall */
static double rate_t(Oven *m) { return m->gain * m->q * 100 / (100 + m->t) - 0.3 * (m->t - m->wall); }
static double rate_wall(Oven *m) { return 0.1 * (m->t - m->wall) - 0.02 * (m->wall - 20); }

/* its trouble: 1 error, 2 discard, 3 not a number, 4 fatal, 5 error in derivatives only */
static fmi2Status status(Oven *m) {
    static const fmi2Status said[] = {fmi2OK, fmi2Error, fmi2Discard, fmi2OK, fmi2Fatal, fmi2OK};
    return m->trouble > 0 && m->trouble < 6 && m->t > m->limit ? said[m->trouble] : fmi2OK;
}
static double spoilt(Oven *m, double value) { return m->trouble == 3 && m->t > m->limit ? NAN : value; }

fmi2Status fmi2GetReal(fmi2Component c, const fmi2ValueReference vr[], size_t n, fmi2Real value[]) {
    Oven *m = c;
    for (size_t i = 0; i < n; i++) switch (vr[i]) {
        case Q: value[i] = m->q; break;
        case T: value[i] = m->t; break;
        case WALL: value[i] = m->wall; break;
        case WARM: value[i] = 0.5 * (m->t + m->wall) + m->q; break;
        case GAIN: value[i] = m->gain; break;
        case LIMIT: value[i] = m->limit; break;
        case DT: value[i] = spoilt(m, rate_t(m)); break;
        case DWALL: value[i] = rate_wall(m); break;
        case LOSS: value[i] = 0.02 * (m->wall - 20); break;
        default: return fmi2Error;
    }
    return fmi2OK;
}
fmi2Status fmi2SetReal(fmi2Component c, const fmi2ValueReference vr[], size_t n, const fmi2Real value[]) {
    Oven *m = c;
    for (size_t i = 0; i < n; i++) switch (vr[i]) {
        case Q: m->q = value[i]; break;
        case T: m->t = value[i]; break;
        case WALL: m->wall = value[i]; break;
        case GAIN: /* its trouble 7: what is set once it is initialized has no effect; 8: it is an error */
            if (m->ready && m->trouble == 8) return fmi2Error;
            if (!m->ready || m->trouble != 7) m->gain = value[i];
            break;
        case LIMIT: m->limit = value[i]; break;
        default: return fmi2Error;
    }
    return fmi2OK;
}
fmi2Status fmi2GetInteger(fmi2Component c, const fmi2ValueReference vr[], size_t n, fmi2Integer value[]) {
    for (size_t i = 0; i < n; i++) value[i] = ((Oven *)c)->trouble;
    return fmi2OK;
}
fmi2Status fmi2SetInteger(fmi2Component c, const fmi2ValueReference vr[], size_t n, const fmi2Integer value[]) {
    for (size_t i = 0; i < n; i++) ((Oven *)c)->trouble = value[i];
    return fmi2OK;
}
fmi2Status fmi2GetBoolean(fmi2Component c, const fmi2ValueReference r[], size_t n, fmi2Boolean v[]) { return fmi2OK; }
fmi2Status fmi2SetBoolean(fmi2Component c, const fmi2ValueReference r[], size_t n, const fmi2Boolean v[]) { return fmi2OK; }
fmi2Status fmi2GetString(fmi2Component c, const fmi2ValueReference r[], size_t n, fmi2String v[]) { return fmi2OK; }
fmi2Status fmi2SetString(fmi2Component c, const fmi2ValueReference r[], size_t n, const fmi2String v[]) { return fmi2OK; }
fmi2Status fmi2GetFMUstate(fmi2Component c, fmi2FMUstate *s) { return fmi2Error; }
fmi2Status fmi2SetFMUstate(fmi2Component c, fmi2FMUstate s) { return fmi2Error; }
fmi2Status fmi2FreeFMUstate(fmi2Component c, fmi2FMUstate *s) { return fmi2Error; }
fmi2Status fmi2SerializedFMUstateSize(fmi2Component c, fmi2FMUstate s, size_t *n) { return fmi2Error; }
fmi2Status fmi2SerializeFMUstate(fmi2Component c, fmi2FMUstate s, fmi2Byte b[], size_t n) { return fmi2Error; }
fmi2Status fmi2DeSerializeFMUstate(fmi2Component c, const fmi2Byte b[], size_t n, fmi2FMUstate *s) { return fmi2Error; }

/* the derivative of one unknown by one known */
static double partial(Oven *m, fmi2ValueReference of, fmi2ValueReference to) {
    double hot = 100 + m->t;
    if (of == DT) {
        if (to == Q) return m->gain * 100 / hot;
        if (to == T) return -m->gain * m->q * 100 / (hot * hot) - 0.3;
        if (to == WALL) return 0.3;
        if (to == GAIN) return m->q * 100 / hot;
    }
    if (of == DWALL) return to == T ? 0.1 : to == WALL ? -0.12 : 0;
    if (of == WARM) return to == Q ? 1 : to == T || to == WALL ? 0.5 : 0;
    if (of == LOSS) return to == WALL ? 0.02 : 0;
    return of == to;
}
fmi2Status fmi2GetDirectionalDerivative(fmi2Component c, const fmi2ValueReference of[], size_t nof,
                                        const fmi2ValueReference to[], size_t nto, const fmi2Real seed[],
                                        fmi2Real result[]) {
    Oven *m = c;
    for (size_t i = 0; i < nof; i++) {
        result[i] = 0;
        for (size_t j = 0; j < nto; j++) result[i] += partial(m, of[i], to[j]) * seed[j];
    }
    return m->trouble == 5 && m->t > m->limit ? fmi2Error : status(m);
}

fmi2Status fmi2EnterEventMode(fmi2Component c) { return fmi2OK; }
fmi2Status fmi2NewDiscreteStates(fmi2Component c, fmi2EventInfo *info) {
    memset(info, 0, sizeof *info);
    if (((Oven *)c)->trouble == 6) { info->nextEventTimeDefined = 1; info->nextEventTime = 5; }
    return fmi2OK;
}
fmi2Status fmi2EnterContinuousTimeMode(fmi2Component c) { return fmi2OK; }
fmi2Status fmi2CompletedIntegratorStep(fmi2Component c, fmi2Boolean n, fmi2Boolean *event, fmi2Boolean *end) {
    *event = 0; *end = 0; return fmi2OK;
}
fmi2Status fmi2SetTime(fmi2Component c, fmi2Real t) { return fmi2OK; }
fmi2Status fmi2SetContinuousStates(fmi2Component c, const fmi2Real x[], size_t n) {
    ((Oven *)c)->t = x[0]; ((Oven *)c)->wall = x[1]; return fmi2OK;
}
fmi2Status fmi2GetDerivatives(fmi2Component c, fmi2Real dx[], size_t n) {
    dx[0] = spoilt(c, rate_t(c)); dx[1] = rate_wall(c);
    return status(c);
}
fmi2Status fmi2GetEventIndicators(fmi2Component c, fmi2Real z[], size_t n) { return fmi2OK; }
fmi2Status fmi2GetContinuousStates(fmi2Component c, fmi2Real x[], size_t n) {
    x[0] = ((Oven *)c)->t; x[1] = ((Oven *)c)->wall; return fmi2OK;
}
fmi2Status fmi2GetNominalsOfContinuousStates(fmi2Component c, fmi2Real x[], size_t n) {
    x[0] = x[1] = 50; return fmi2OK;
}
