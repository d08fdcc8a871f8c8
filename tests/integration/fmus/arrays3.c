/* An integrator of arrays as an FMI 3.0 FMU for co-simulation and model exchange, with a variable of most types.
   Functions a test never calls are stubs: FMPy wants all of them to be there. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef int Status;
typedef struct { double t, u[3], y[3], gain; float f; int32_t i; int64_t color; bool b; uint8_t small; char text[64]; } Model;

#define STUB(name) Status fmi3##name(void) { return 3; }
STUB(SetDebugLogging) STUB(InstantiateScheduledExecution) STUB(GetInt8) STUB(GetInt16)
STUB(GetUInt16) STUB(GetUInt32) STUB(GetUInt64) STUB(GetBinary) STUB(GetClock) STUB(SetInt8)
STUB(SetInt16) STUB(SetUInt16) STUB(SetUInt32) STUB(SetUInt64) STUB(SetBinary) STUB(SetClock)
STUB(GetNumberOfVariableDependencies) STUB(GetVariableDependencies) STUB(SerializedFMUStateSize)
STUB(SerializeFMUState) STUB(DeserializeFMUState) STUB(GetAdjointDerivative)
STUB(EnterConfigurationMode) STUB(ExitConfigurationMode) STUB(GetIntervalDecimal) STUB(GetIntervalFraction)
STUB(GetShiftDecimal) STUB(GetShiftFraction) STUB(SetIntervalDecimal) STUB(SetIntervalFraction) STUB(SetShiftDecimal)
STUB(SetShiftFraction) STUB(EvaluateDiscreteStates) STUB(GetEventIndicators) STUB(GetNumberOfEventIndicators)
STUB(EnterStepMode) STUB(GetOutputDerivatives) STUB(ActivateModelPartition)

const char *fmi3GetVersion(void) { return "3.0"; }
static Model *make(void) {
    Model *m = calloc(1, sizeof *m);
    m->u[0] = 1; m->u[1] = 2; m->u[2] = 3; m->gain = 1; m->i = 2; m->f = 0.5f; m->color = 1; strcpy(m->text, "foo");
    return m;
}
void *fmi3InstantiateCoSimulation(void) { return make(); }
void *fmi3InstantiateModelExchange(void) { return make(); }
void fmi3FreeInstance(void *m) { free(m); }
Status fmi3EnterInitializationMode(Model *m, bool a, double b, double t0, bool d, double e) { m->t = t0; return 0; }
Status fmi3ExitInitializationMode(Model *m) { return 0; }
Status fmi3Terminate(Model *m) { return 0; }
Status fmi3Reset(Model *m) { return 0; }

Status fmi3GetFloat64(Model *m, const uint32_t *vr, size_t n, double *value, size_t count) {
    for (size_t i = 0, k = 0; i < n; i++) switch (vr[i]) {
        case 0: value[k++] = m->t; break;
        case 1: memcpy(value + k, m->u, 24); k += 3; break;
        case 2: memcpy(value + k, m->y, 24); k += 3; break;
        case 3: value[k++] = m->gain; break;
        case 10: for (int j = 0; j < 3; j++) value[k++] = m->gain * m->u[j]; break;
        default: return 3;
    }
    return 0;
}
Status fmi3SetFloat64(Model *m, const uint32_t *vr, size_t n, const double *value, size_t count) {
    for (size_t i = 0, k = 0; i < n; i++) switch (vr[i]) {
        case 1: memcpy(m->u, value + k, 24); k += 3; break;
        case 2: memcpy(m->y, value + k, 24); k += 3; break;
        case 3: m->gain = value[k++]; break;
        default: return 3;
    }
    return 0;
}
#define BOTH(Name, type, field)                                                                                   \
    Status fmi3Get##Name(Model *m, const uint32_t *vr, size_t n, type *v, size_t c) { *v = m->field; return 0; }   \
    Status fmi3Set##Name(Model *m, const uint32_t *vr, size_t n, const type *v, size_t c) { m->field = *v; return 0; }
BOTH(Float32, float, f)
BOTH(Int32, int32_t, i)
BOTH(Int64, int64_t, color)
BOTH(Boolean, bool, b)
BOTH(UInt8, uint8_t, small)
Status fmi3GetString(Model *m, const uint32_t *vr, size_t n, const char **v, size_t c) { *v = m->text; return 0; }
Status fmi3SetString(Model *m, const uint32_t *vr, size_t n, const char **v, size_t c) { strncpy(m->text, *v, 63); return 0; }

Status fmi3GetFMUState(Model *m, void **s) { if (!*s) *s = malloc(sizeof *m); memcpy(*s, m, sizeof *m); return 0; }
Status fmi3SetFMUState(Model *m, void *s) { memcpy(m, s, sizeof *m); return 0; }
Status fmi3FreeFMUState(Model *m, void **s) { free(*s); *s = NULL; return 0; }

Status fmi3GetDirectionalDerivative(Model *m, const uint32_t *of, size_t nof, const uint32_t *to, size_t nto,
                                    const double *seed, size_t nseed, double *result, size_t nresult) {
    if (nof != 1 || nto != 1 || of[0] != 10 || to[0] != 1) return 3;
    for (int j = 0; j < 3; j++) result[j] = m->gain * seed[j];
    return 0;
}
Status fmi3DoStep(Model *m, double t, double dt, bool last, bool *event, bool *end, bool *early, double *reached) {
    *event = *end = *early = false; *reached = t + dt;
    for (int j = 0; j < 3; j++) m->y[j] += dt * m->gain * m->u[j];
    m->i++; m->t = t + dt;
    if (m->small == 7) { *end = true; *reached = t + dt / 2; }
    return 0;
}
Status fmi3UpdateDiscreteStates(Model *m, bool *a, bool *b, bool *c, bool *d, bool *e, double *t) {
    *a = *b = *c = *d = *e = false; return 0;
}
Status fmi3EnterContinuousTimeMode(Model *m) { return 0; }
Status fmi3EnterEventMode(Model *m) { return 0; }
Status fmi3CompletedIntegratorStep(Model *m, bool a, bool *event, bool *end) { *event = *end = false; return 0; }
Status fmi3SetTime(Model *m, double t) { m->t = t; return 0; }
Status fmi3SetContinuousStates(Model *m, const double *x, size_t n) { memcpy(m->y, x, 24); return 0; }
Status fmi3GetContinuousStates(Model *m, double *x, size_t n) { memcpy(x, m->y, 24); return 0; }
Status fmi3GetContinuousStateDerivatives(Model *m, double *x, size_t n) {
    for (int j = 0; j < 3; j++) x[j] = m->gain * m->u[j];
    return 0;
}
Status fmi3GetNominalsOfContinuousStates(Model *m, double *x, size_t n) { x[0] = x[1] = x[2] = 1; return 0; }
Status fmi3GetNumberOfContinuousStates(Model *m, size_t *n) { *n = 3; return 0; }
