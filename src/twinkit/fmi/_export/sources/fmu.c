/* The one translation unit of an FMU made by twinkit. Everything but the FMI functions is static, nothing is global
 * and writable, so any number of instances, in any number of threads, can live side by side. Needs a C99 compiler and
 * the standard library only. */
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "description.h" /* generated: sizes, start values, variables, schedules, coefficients of the integrator */
#include "equations.h"   /* generated: the model's equations and their derivatives */
#include "instance.h"
#include "algebra.h"
#include "evaluate.h"
#include "events.h"
#include "integrate.h"
#include "advance.h"
#include "variables.h"
#if FMI_VERSION == 2
#include "fmi2.h"
#else
#include "fmi3.h"
#endif
