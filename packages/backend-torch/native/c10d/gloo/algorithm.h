// Part of the declarations in gloo/context.h.
#pragma once
#include <gloo/context.h>
