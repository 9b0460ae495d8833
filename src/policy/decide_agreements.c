/* SPDX-License-Identifier: MIT */
#include "policy/decide_part.h"

#define SECONDS_PER_DAY 86400
#define CIVIL_EPOCH     719468 /* days from 0000-03-01 to 1970-01-01 */

const char *agreement_name(enum agreement_kind kind)
{
	static const char names[AGREEMENTS][16] = {"baa", "no_training", "zero_retention"};

	return (unsigned)kind < AGREEMENTS ? names[kind] : "unknown";
}

static int32_t day_of(int64_t now_s)
{
	int64_t day = now_s / SECONDS_PER_DAY - (now_s % SECONDS_PER_DAY < 0);

	return day > INT32_MAX ? INT32_MAX : day < -INT32_MAX ? -INT32_MAX : (int32_t)day;
}

/* "2027-01-31": the date of a day (the civil calendar in eras of 400 years, March first). */
static void put_date(struct phrase *p, int32_t day)
{
	int64_t z = (int64_t)day + CIVIL_EPOCH, era = (z >= 0 ? z : z - 146096) / 146097;
	uint64_t doe = (uint64_t)(z - era * 146097);
	uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	uint64_t d = doy - (153 * mp + 2) / 5 + 1, month = mp < 10 ? mp + 3 : mp - 9;
	int64_t year = (int64_t)yoe + era * 400 + (month <= 2);

	phrase_put_decimal(p, year > 0 ? (uint64_t)year : 0);
	phrase_put(p, month < 10 ? "-0" : "-");
	phrase_put_decimal(p, month);
	phrase_put(p, d < 10 ? "-0" : "-");
	phrase_put_decimal(p, d);
}

static const struct agreement *find_agreement(const struct matter *m, enum agreement_kind kind)
{
	static const struct agreement none;
	const struct policy *p = m->policy;

	for (size_t i = 0; i < p->provider_count; i++)
		if (bytes_equal(p->agreements[i].provider, bytes_str(m->provider->name)))
			return &p->agreements[i].at[kind];
	return &none;
}

/* "providers.openai.baa" */
static void put_field(struct phrase *p, const struct matter *m, enum agreement_kind kind)
{
	phrase_put(p, "providers.");
	phrase_put(p, m->provider->name);
	phrase_put(p, ".");
	phrase_put(p, agreement_name(kind));
}

/* ENVIRONMENT requires KIND, and ... */
static void begin(struct decision *d, const struct scope *s, const char *kind,
		  struct phrase *ret_reason)
{
	decide_begin(d, s, "not_covered", ".require", ret_reason);
	decide_put_scope(ret_reason, s);
	phrase_put(ret_reason, " requires ");
	phrase_put(ret_reason, kind);
	phrase_put(ret_reason, ", and ");
}

static bool refuse_dates(struct decision *d, const struct scope *s, const struct matter *m,
			 enum agreement_kind kind, const struct agreement *a)
{
	int32_t today = day_of(m->question->now_s);
	bool early = a->from_day != DAY_UNSAID && today < a->from_day;
	bool late = a->until_day != DAY_UNSAID && today > a->until_day;
	struct phrase p;

	if (!early && !late)
		return false;
	begin(d, s, agreement_name(kind), &p);
	phrase_put(&p, "that of provider ");
	phrase_put(&p, m->provider->name);
	if (a->reference.len) {
		phrase_put(&p, " (");
		phrase_put_bytes(&p, bytes_slice(a->reference, 0, PHRASE_QUOTE_MAX));
		phrase_put(&p, ")");
	}
	phrase_put(&p, early ? " begins on " : " ended on ");
	put_date(&p, early ? a->from_day : a->until_day);
	phrase_put(&p, "; use another provider, or, when it is in force, have ");
	put_field(&p, m, kind);
	phrase_put(&p, early ? ".from changed" : ".until changed");
	return true;
}

/* On segment boundaries, wherever it is mounted. */
static bool is_below(struct bytes path, struct bytes base)
{
	while (path.len) {
		size_t at = bytes_find(path, base);
		struct bytes rest = at == SIZE_MAX ? BYTES_NONE : bytes_from(path, at + base.len);
		if (at == SIZE_MAX)
			return false;
		if (rest.len == 0 || rest.at[0] == '/' || rest.at[0] == ':')
			return true;
		path = rest;
	}
	return false;
}

/* The provider's own word for what lies outside of its agreements; empty: nothing does. */
static struct bytes find_outside(const struct matter *m, bool *ret_has_features)
{
	const struct question *q = m->question;
	uint64_t bits = q->features ? q->features->bits : 0;
	struct bytes rest = bytes_str(catalogue_text(m->provider->outside)), line;
	struct endpoint_path path;

	*ret_has_features = false;
	path.len = 0;
	if (rest.len && q->path.len)
		endpoint_path_set(&path, q->path);
	while (endpoint_next_line(&rest, &line)) {
		bool is_path = line.at[0] == '/';
		enum feature f = is_path ? FEATURE_COUNT : feature_find(line);
		*ret_has_features |= !is_path;
		if (is_path ? is_below(bytes_of(path.at, path.len), line)
			    : f < FEATURE_COUNT && (bits & FEATURE_BIT(f)))
			return line;
	}
	return BYTES_NONE;
}

/* Agreements do not cover all that a provider offers. */
static bool refuse_outside(struct decision *d, const struct scope *s, const struct matter *m,
			   enum agreement_kind kind)
{
	bool has_features;
	struct bytes outside = find_outside(m, &has_features);
	struct phrase p;

	if (!outside.len && m->operation != OP_UNKNOWN && !(m->question->websocket && has_features))
		return false;
	begin(d, s, agreement_name(kind), &p);
	if (outside.len) {
		phrase_put_quoted(&p, outside);
		phrase_put(&p, " is outside of the agreements that provider ");
		phrase_put(&p, m->provider->name);
		phrase_put(&p, " offers; do without it");
	} else if (m->operation == OP_UNKNOWN) {
		phrase_put(&p, "an endpoint that is not known of provider ");
		phrase_put(&p, m->provider->name);
		phrase_put(&p, " is not known to be covered; use a known one");
	} else {
		d->code = "not_inspected";
		phrase_put(&p, "on a WebSocket it cannot be seen whether what is used is covered; "
			       "use the HTTP API");
	}
	return true;
}

static bool refuses_agreement(const struct matter *m, const struct scope *s,
			      enum agreement_kind kind, struct decision *d)
{
	const struct agreement *a = find_agreement(m, kind);
	struct phrase p;

	if (a->state == NOT_NEEDED)
		return false;
	if (a->state == HELD)
		return refuse_dates(d, s, m, kind, a) ||
		       (kind != AGREEMENT_NO_TRAINING && refuse_outside(d, s, m, kind));
	begin(d, s, agreement_name(kind), &p);
	phrase_put(&p, "the policy has none for provider ");
	phrase_put(&p, m->provider->name);
	phrase_put(&p, "; use another provider, or, when there is one, have it put into ");
	put_field(&p, m, kind);
	return true;
}

bool decide_says_require(const struct matter *m, const struct scope *s)
{
	return s->rules->require != 0;
}

bool decide_refuses_require(const struct matter *m, const struct scope *s, struct decision *d)
{
	struct phrase p;

	for (unsigned kind = 0; kind < AGREEMENTS; kind++)
		if ((s->rules->require & 1u << kind) &&
		    refuses_agreement(m, s, (enum agreement_kind)kind, d))
			return true;
	if (!(s->rules->require & REQUIRE_MANAGED_KEY) ||
	    (m->question->key && !m->question->raw_key))
		return false;
	begin(d, s, "managed_key", &p);
	d->code = "managed_key_required";
	phrase_put(&p, m->question->raw_key
			       ? "the request holds a key of the provider's own; use a gateway key "
				 "instead (\"aigw key create\")"
			       : "the request holds no gateway key; give the program one "
				 "(\"aigw key create\")");
	return true;
}

/* -- what is asked of the provider --------------------------------------------------------- */

static void note_ending(const struct matter *m, enum agreement_kind kind, struct decision *d)
{
	const struct agreement *a = find_agreement(m, kind);
	int64_t left = (int64_t)a->until_day - day_of(m->question->now_s);

	if (a->state != HELD || a->until_day == DAY_UNSAID || left < 0 ||
	    left > AGREEMENT_WARNING_DAYS || (d->ending && d->ending_days <= left))
		return;
	d->ending = a;
	d->ending_kind = kind;
	d->ending_days = (int32_t)left;
}

static bool is_forced_already(const struct decision *d, const struct control *control)
{
	for (size_t i = 0; i < d->forced_count; i++)
		if (d->forced[i]->control == control)
			return true;
	return false;
}

/* The outermost scope that says a field's value is heard. True: a field was asked for, and such a
 * request may have it or not. */
static bool collect_forced(const struct matter *m, const struct scope *s, struct decision *d)
{
	const struct question *q = m->question;
	bool asked = false;

	for (size_t i = 0; i < s->rules->set_count; i++) {
		const struct forced *f = &s->rules->set[i];
		if (!bytes_equal(bytes_str(f->control->provider), bytes_str(m->provider->name)))
			continue;
		asked = true;
		if (!control_applies(f->control, m->provider, q->method, q->path) ||
		    is_forced_already(d, f->control) || d->forced_count == FORCED_MAX)
			continue;
		if (d->forced_count == 0)
			d->unalterable_tagged = true;
		d->unalterable_tagged &= s->rules->unalterable_tagged;
		d->forced[d->forced_count++] = f;
	}
	return asked;
}

void decide_settle_agreements(const struct matter *m, struct decision *d)
{
	const uint32_t by_field = 1u << AGREEMENT_NO_TRAINING | 1u << AGREEMENT_ZERO_RETENTION;
	const struct question *q = m->question;
	bool asked = false;

	for (size_t i = 0; i < m->scope_count; i++) {
		const struct scope *s = &m->scopes[i];
		for (unsigned kind = 0; kind < AGREEMENTS; kind++)
			if (s->rules->require & 1u << kind)
				note_ending(m, (enum agreement_kind)kind, d);
		if (s->observed)
			continue;
		asked |= (s->rules->require & by_field) && !operation_reads(m->operation);
		asked |= collect_forced(m, s, d);
	}
	if (d->action == ACTION_REFUSE) {
		d->forced_count = 0;
		d->receipt = asked ? RECEIPT_REFUSED : RECEIPT_NONE;
	} else if (asked && q->websocket) {
		d->receipt = RECEIPT_NOT_FORCED;
	} else if (asked && !control_exists(m->provider, q->method, q->path)) {
		d->receipt = RECEIPT_NO_CONTROL;
	}
}
