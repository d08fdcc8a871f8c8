/* A bouncing ball as an FMI 1.0 FMU for model exchange: a state event at the floor, a time event (a kick upwards), a
   push as an input, and an output that is the negated alias of another. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "fmi1Functions.h"
#define F(name) ball1_fmi##name

enum { H, V, G, E, PUSH, KICK, BOUNCES, ON, NAME, DH, DV };
typedef struct {
    double t, h, v, g, e, push, kick;
    int bounces;
    char on, name[64], label[64];
    fmi1CallbackLogger say;
} Ball;

const char *F(GetModelTypesPlatform)() { return "standard32"; }
const char *F(GetVersion)() { return "1.0"; }
fmi1Status F(SetDebugLogging)(void *c, fmi1Boolean on) { return fmi1OK; }
fmi1Component F(InstantiateModel)(fmi1String name, fmi1String guid, fmi1CallbackFunctions calls, fmi1Boolean logging) {
    if (strcmp(guid, "ball")) return NULL;
    Ball *m = calloc(1, sizeof *m);
    m->h = 1; m->g = 9.81; m->e = 0.7; m->kick = -1; m->on = 1; m->say = calls.logger;
    strcpy(m->name, "ball");
    strncpy(m->label, name, 63);
    return m;
}
void F(FreeModelInstance)(void *c) { free(c); }
fmi1Status F(SetTime)(Ball *m, double t) { m->t = t; return fmi1OK; }

static double *real(Ball *m, fmi1ValueReference vr) {
    switch (vr) {
        case H: return &m->h; case V: return &m->v; case G: return &m->g; case E: return &m->e;
        case PUSH: return &m->push; case KICK: return &m->kick;
    }
    return NULL;
}
static double accel(Ball *m) { return m->on ? m->push - m->g : -m->g; }
fmi1Status F(GetReal)(Ball *m, const fmi1ValueReference vr[], size_t n, double value[]) {
    for (size_t i = 0; i < n; i++) {
        double *found = real(m, vr[i]);
        if (found) value[i] = *found;
        else if (vr[i] == DH) value[i] = m->v;
        else if (vr[i] == DV) value[i] = accel(m);
        else return fmi1Error;
    }
    return fmi1OK;
}
fmi1Status F(SetReal)(Ball *m, const fmi1ValueReference vr[], size_t n, const double value[]) {
    for (size_t i = 0; i < n; i++) {
        double *found = real(m, vr[i]);
        if (!found) return fmi1Error;
        *found = value[i];
    }
    return fmi1OK;
}
fmi1Status F(GetInteger)(Ball *m, const fmi1ValueReference vr[], size_t n, int v[]) { if (n) *v = m->bounces; return fmi1OK; }
fmi1Status F(SetInteger)(Ball *m, const fmi1ValueReference vr[], size_t n, const int v[]) { return n ? fmi1Error : fmi1OK; }
fmi1Status F(GetBoolean)(Ball *m, const fmi1ValueReference vr[], size_t n, char v[]) { if (n) *v = m->on; return fmi1OK; }
fmi1Status F(SetBoolean)(Ball *m, const fmi1ValueReference vr[], size_t n, const char v[]) { if (n) m->on = *v; return fmi1OK; }
fmi1Status F(GetString)(Ball *m, const fmi1ValueReference vr[], size_t n, const char *v[]) { if (n) *v = m->name; return fmi1OK; }
fmi1Status F(SetString)(Ball *m, const fmi1ValueReference vr[], size_t n, const char *const v[]) {
    if (n) strncpy(m->name, *v, 63);
    return fmi1OK;
}

static void tell(Ball *m, fmi1EventInfo *info) {
    memset(info, 0, sizeof *info);
    info->iterationConverged = 1;
    info->upcomingTimeEvent = m->kick >= 0;
    info->nextEventTime = m->kick;
}
fmi1Status F(Initialize)(Ball *m, fmi1Boolean controlled, double tolerance, fmi1EventInfo *info) {
    if (!strcmp(m->name, "broken")) {
        m->say(m, m->label, fmi1Error, "error", "the ball is broken");
        return fmi1Error;
    }
    tell(m, info);
    return fmi1OK;
}
fmi1Status F(EventUpdate)(Ball *m, fmi1Boolean intermediate, fmi1EventInfo *info) {
    if (m->h <= 0 && m->v < 0) { m->h = 1e-15; m->v *= -m->e; m->bounces++; }
    if (m->kick >= 0 && m->t >= m->kick - 1e-9) { m->v += 1; m->kick = -1; }
    tell(m, info);
    info->stateValuesChanged = 1;
    return fmi1OK;
}
fmi1Status F(SetContinuousStates)(Ball *m, const double x[], size_t n) { m->h = x[0]; m->v = x[1]; return fmi1OK; }
fmi1Status F(GetContinuousStates)(Ball *m, double x[], size_t n) { x[0] = m->h; x[1] = m->v; return fmi1OK; }
fmi1Status F(GetDerivatives)(Ball *m, double d[], size_t n) { d[0] = m->v; d[1] = accel(m); return fmi1OK; }
fmi1Status F(GetNominalContinuousStates)(Ball *m, double x[], size_t n) { x[0] = x[1] = 1; return fmi1OK; }
fmi1Status F(GetStateValueReferences)(Ball *m, fmi1ValueReference vr[], size_t n) { vr[0] = H; vr[1] = V; return fmi1OK; }
fmi1Status F(GetEventIndicators)(Ball *m, double z[], size_t n) { z[0] = m->h; return fmi1OK; }
fmi1Status F(CompletedIntegratorStep)(Ball *m, fmi1Boolean *update) { *update = 0; return fmi1OK; }
fmi1Status F(Terminate)(Ball *m) { return fmi1OK; }
