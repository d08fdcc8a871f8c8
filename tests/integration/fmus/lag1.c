/* A first-order lag as an FMI 1.0 FMU for co-simulation, exact for inputs that are held; it misbehaves on request. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "fmi1Functions.h"
#define F(name) lag1_fmi##name

enum { U, Y, TAU, GAIN, COUNT, TRICK, ON, NAME };
typedef struct { double t, u, y, tau, gain; int count, trick; char on, name[64]; } Lag;

const char *F(GetTypesPlatform)() { return "standard32"; }
const char *F(GetVersion)() { return "1.0"; }
fmi1Status F(SetDebugLogging)(void *c, fmi1Boolean on) { return fmi1OK; }
fmi1Component F(InstantiateSlave)(fmi1String name, fmi1String guid, fmi1String where, fmi1String mime, double timeout,
                                  fmi1Boolean visible, fmi1Boolean interactive, fmi1CallbackFunctions calls,
                                  fmi1Boolean logging) {
    if (strcmp(guid, "lag")) return NULL;
    Lag *m = calloc(1, sizeof *m);
    m->tau = 2; m->gain = 1; m->on = 1;
    strcpy(m->name, "lag");
    return m;
}
void F(FreeSlaveInstance)(void *c) { free(c); }
fmi1Status F(InitializeSlave)(Lag *m, double t0, fmi1Boolean defined, double stop) {
    m->t = t0;
    return m->trick == 9 ? fmi1Error : fmi1OK;
}
fmi1Status F(TerminateSlave)(Lag *m) { return fmi1OK; }
fmi1Status F(ResetSlave)(Lag *m) { return fmi1OK; }
static double *real(Lag *m, fmi1ValueReference vr) {
    switch (vr) { case U: return &m->u; case Y: return &m->y; case TAU: return &m->tau; case GAIN: return &m->gain; }
    return NULL;
}
fmi1Status F(GetReal)(Lag *m, const fmi1ValueReference vr[], size_t n, double value[]) {
    for (size_t i = 0; i < n; i++) { if (!real(m, vr[i])) return fmi1Error; value[i] = *real(m, vr[i]); }
    return fmi1OK;
}
fmi1Status F(SetReal)(Lag *m, const fmi1ValueReference vr[], size_t n, const double value[]) {
    for (size_t i = 0; i < n; i++) { if (!real(m, vr[i])) return fmi1Error; *real(m, vr[i]) = value[i]; }
    return fmi1OK;
}
fmi1Status F(GetInteger)(Lag *m, const fmi1ValueReference vr[], size_t n, int value[]) {
    for (size_t i = 0; i < n; i++) value[i] = vr[i] == COUNT ? m->count : m->trick;
    return fmi1OK;
}
fmi1Status F(SetInteger)(Lag *m, const fmi1ValueReference vr[], size_t n, const int value[]) {
    for (size_t i = 0; i < n; i++) { if (vr[i] != TRICK) return fmi1Error; m->trick = value[i]; }
    return fmi1OK;
}
fmi1Status F(GetBoolean)(Lag *m, const fmi1ValueReference vr[], size_t n, char v[]) { if (n) *v = m->on; return fmi1OK; }
fmi1Status F(SetBoolean)(Lag *m, const fmi1ValueReference vr[], size_t n, const char v[]) { if (n) m->on = *v; return fmi1OK; }
fmi1Status F(GetString)(Lag *m, const fmi1ValueReference vr[], size_t n, const char *v[]) { if (n) *v = m->name; return fmi1OK; }
fmi1Status F(SetString)(Lag *m, const fmi1ValueReference vr[], size_t n, const char *const v[]) {
    if (n) strncpy(m->name, *v, 63);
    return fmi1OK;
}
fmi1Status F(SetRealInputDerivatives)(Lag *m) { return fmi1Error; }
fmi1Status F(GetRealOutputDerivatives)(Lag *m) { return fmi1Error; }
fmi1Status F(CancelStep)(Lag *m) { return fmi1Error; }
fmi1Status F(DoStep)(Lag *m, double t, double dt, fmi1Boolean fresh) {
    volatile int *nowhere = NULL;
    switch (m->trick) {
        case 1: *nowhere = 1; break;
        case 2: for (;;) { m->count++; }
        case 4: return fmi1Error;
        case 5: m->t = t + dt / 2; return fmi1Discard;
    }
    double target = m->on ? m->gain * m->u : 0;
    m->y = target + (m->y - target) * exp(-dt / m->tau);
    m->t = t + dt; m->count++;
    return m->trick == 3 ? fmi1Warning : fmi1OK;
}
fmi1Status F(GetStatus)(Lag *m, fmi1StatusKind s, fmi1Status *v) { return fmi1Discard; }
fmi1Status F(GetRealStatus)(Lag *m, fmi1StatusKind s, double *v) { *v = m->t; return fmi1OK; }
fmi1Status F(GetIntegerStatus)(Lag *m, fmi1StatusKind s, int *v) { return fmi1Discard; }
fmi1Status F(GetBooleanStatus)(Lag *m, fmi1StatusKind s, char *v) { return fmi1Discard; }
fmi1Status F(GetStringStatus)(Lag *m, fmi1StatusKind s, const char **v) { return fmi1Discard; }
