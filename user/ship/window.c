// SPDX-License-Identifier: GPL-2.0-only
#include "ship/window.h"

static struct window_parcel *parcel(struct window *window, uint64_t number)
{
	return &window->parcels[number % WINDOW_PARCELS];
}

/* The newest, if it takes another line. */
static bool is_open(const struct window *window, uint32_t lines_most)
{
	const struct window_parcel *newest = &window->parcels[(window->next - 1) % WINDOW_PARCELS];

	return window->next > window->first && !window->closed && !newest->taken && newest->lines < lines_most;
}

bool window_is_empty(const struct window *window)
{
	return window->first == window->next;
}

bool window_has_room(const struct window *window, uint32_t lines_most)
{
	return window->next - window->first < WINDOW_PARCELS || is_open(window, lines_most);
}

uint64_t window_number(const struct window *window, uint32_t lines_most)
{
	return is_open(window, lines_most) ? window->next - 1 : window->next;
}

uint64_t window_add(struct window *window, uint32_t lines_most, const struct cursor *after, int64_t time, size_t bytes)
{
	struct window_parcel *to;

	if (!is_open(window, lines_most)) {
		*parcel(window, window->next++) = (struct window_parcel){0};
		window->closed = false;
	}
	to = parcel(window, window->next - 1);
	to->after = *after;
	if (!to->begun)
		to->begun = time;
	to->lines++;
	to->bytes += (uint32_t)bytes;
	return window->next - 1;
}

void window_close(struct window *window)
{
	window->closed = true;
}

void window_taken(struct window *window, uint64_t number)
{
	if (number >= window->first && number < window->next)
		parcel(window, number)->taken = true;
}

void window_taken_through(struct window *window, uint64_t number)
{
	for (uint64_t n = window->first; n <= number && n < window->next; n++)
		parcel(window, n)->taken = true;
}

bool window_advance(struct window *window, struct window_parcel *ret_sum)
{
	struct window_parcel sum = {0};
	bool any = false;

	while (window->first < window->next && parcel(window, window->first)->taken) {
		const struct window_parcel *front = parcel(window, window->first++);

		sum.after = front->after;
		if (!sum.begun)
			sum.begun = front->begun;
		sum.lines += front->lines;
		sum.bytes += front->bytes;
		any = true;
	}
	if (any)
		*ret_sum = sum;
	return any;
}

void window_clear(struct window *window)
{
	window->first = window->next;
	window->closed = false;
}
