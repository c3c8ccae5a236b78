/* SPDX-License-Identifier: GPL-2.0-only */
/* When a backend counts as an outlier among its peers, and how long it is left out. What comes of it: govern/ejection.h. */
#ifndef USHER_POLICY_OUTLIER_SETTINGS_H
#define USHER_POLICY_OUTLIER_SETTINGS_H

#include <stdint.h>

/* X(name, word): what is seen of a backend in passing */
#define OUTLIER_SIGNALS(X)                                                                                             \
	X(CONNECT, "connect")	    /* SYNs that it refused or left unanswered */                                      \
	X(RESETS, "resets")	    /* requests that it broke off */                                                   \
	X(GIVEN_UP, "given-up")	    /* requests whose clients closed after USHER_FIRST_BYTE_PATIENCE without a byte */ \
	X(FIRST_BYTE, "first-byte") /* how long its answers take to begin */

enum outlier_signal {
#define X(name, word) OUTLIER_##name,
	OUTLIER_SIGNALS(X)
#undef X
		OUTLIER_SIGNALS_COUNT
};
extern const char *const outlier_signal_words[OUTLIER_SIGNALS_COUNT];

#define OUTLIER_SLICES 10 /* that a window has */

struct outlier_settings {
	uint32_t signals;	  /* bit per enum outlier_signal; 0: nobody is ejected */
	uint32_t window;	  /* seconds, at least OUTLIER_SLICES */
	uint32_t min_samples;	  /* in the window, of the backend and of its peers together */
	double above;		  /* by so much a part of failures has to be above that of the peers, 0..1 */
	uint32_t slower;	  /* so many times as slow as the peers; a power of two, at least 4 */
	uint32_t period, longest; /* seconds that it is out: the first time, and at most */
	uint32_t most;		  /* per cent of the backends that could start flows, 1..100 */
};

#endif
