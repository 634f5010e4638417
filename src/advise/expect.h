/*
 * What a plan is expected to gain, before it is measured.
 */
#ifndef ADVISE_EXPECT_H
#define ADVISE_EXPECT_H

#include "advise/advice.h"

/* CPU time as a share of plain's when of all calls the share `inside` is drawn in scopes and dies
 * there, the share `outliving` is drawn in scopes and freed later, and so many activations of so
 * many functions are scopes. */
double expect_ratio(const struct advice *advice, double inside, double outliving,
                    double activations, size_t functions);

#endif
