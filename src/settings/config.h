/*
 * The shim's settings, read once at start from the ARENASHIM_* variables.
 *
 * A value that is not accepted, and a name that does not exist, is one line on stderr that names
 * the variable, the value and what is accepted; the default stays and the program runs on. In
 * set-user-ID programs the environment is not read at all.
 */
#ifndef SHIM_CONFIG_H
#define SHIM_CONFIG_H

#include "settings/values.h"

/* Fills `config` with the defaults and what the environment says. */
void config_read(struct config *config);

#endif
