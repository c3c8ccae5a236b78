// SPDX-License-Identifier: GPL-2.0-only
/* Of a model: when one of its backends is an outlier. */
#include "policy/parse.h"
#include "policy/policy.h"

#define WINDOW_S 30
#define MIN_SAMPLES 20
#define ABOVE 0.1
#define SLOWER 8
#define PERIOD_S 30
#define LONGEST_S 600
#define MOST 50

const char *const outlier_signal_words[OUTLIER_SIGNALS_COUNT] = {
#define X(name, word) [OUTLIER_##name] = word,
	OUTLIER_SIGNALS(X)
#undef X
};

static void read_signals(struct document *document, struct node node, uint32_t *ret_signals)
{
	struct node *items;
	size_t count, signal;
	uint32_t signals = 0;

	if (read_list(document, node, 1, OUTLIER_SIGNALS_COUNT, &items, &count))
		return;
	for (size_t i = 0; i < count; i++)
		if (!read_choice(document, items[i], outlier_signal_words, OUTLIER_SIGNALS_COUNT, &signal))
			signals |= 1u << signal;
	*ret_signals = signals;
}

void read_outlier(struct document *document, struct node node, struct outlier_settings *settings)
{
	enum { SIGNALS, WINDOW, SAMPLES, ABOVE_PEERS, SLOWER_BY, PERIOD, LONGEST, MOST_OUT, FIELDS };
	struct field fields[FIELDS] = {{.key = "signals"}, {.key = "window"}, {.key = "min_samples"}, {.key = "above"},
				       {.key = "slower"},  {.key = "for"},    {.key = "longest"},     {.key = "most"}};

	if (read_object(document, node, fields, FIELDS))
		return;
	*settings = (struct outlier_settings){.signals = (1u << OUTLIER_SIGNALS_COUNT) - 1,
					      .window = WINDOW_S,
					      .min_samples = MIN_SAMPLES,
					      .above = ABOVE,
					      .slower = SLOWER,
					      .period = PERIOD_S,
					      .longest = LONGEST_S,
					      .most = MOST};
	if (fields[SIGNALS].given)
		read_signals(document, fields[SIGNALS].value, &settings->signals);
	read_seconds(document, &fields[WINDOW], OUTLIER_SLICES, 3600, &settings->window);
	if (fields[SAMPLES].given)
		read_count(document, fields[SAMPLES].value, 10, 1000000, &settings->min_samples);
	if (fields[ABOVE_PEERS].given)
		read_number(document, fields[ABOVE_PEERS].value, 0.01, 0.9, &settings->above);
	if (fields[SLOWER_BY].given)
		read_count(document, fields[SLOWER_BY].value, 4, 1024, &settings->slower);
	if (settings->slower & (settings->slower - 1))
		node_error(document, fields[SLOWER_BY].value,
			   "%u is no power of two: latencies are counted in buckets each of which is twice the last",
			   settings->slower);
	read_seconds(document, &fields[PERIOD], 1, 3600, &settings->period);
	read_seconds(document, &fields[LONGEST], 1, 86400, &settings->longest);
	if (!fields[LONGEST].given && settings->longest < settings->period)
		settings->longest = settings->period;
	if (settings->longest < settings->period)
		node_error(document, fields[LONGEST].value, "at most %u s, which is less than the first time (%u s)",
			   settings->longest, settings->period);
	if (fields[MOST_OUT].given)
		read_count(document, fields[MOST_OUT].value, 1, 100, &settings->most);
}

const struct outlier_settings *policy_outlier(const struct policy *policy, size_t backend)
{
	return &policy->models[policy->versions[policy->backends[backend].version].model].outlier;
}

static void suspect_model(struct document *document, const struct policy *policy, size_t model)
{
	size_t seen = 0;

	for (size_t b = 0; b < policy->backend_count; b++)
		seen += policy->versions[policy->backends[b].version].model == model &&
			policy->backends[b].forward == USHER_FORWARD_NAT;
	if (seen < 2)
		mark_report(document, SEVERITY_WARNING, policy->models[model].place.mark,
			    "an outlier has peers, and shows itself through NAT: the model has %zu such backends",
			    seen);
	else if (100 > seen * policy->models[model].outlier.most)
		mark_report(document, SEVERITY_WARNING, policy->models[model].place.mark,
			    "%u %% of %zu backends is less than one: nobody can be left out as an outlier",
			    policy->models[model].outlier.most, seen);
}

void suspect_outliers(struct document *document, const struct policy *policy)
{
	for (size_t m = 0; m < policy->model_count; m++)
		if (policy->models[m].outlier.signals)
			suspect_model(document, policy, m);
}
