/* The part of a step that works on rows, forwards and backwards.
 *
 * Rows go through all of it a block at a time, so that what one phase leaves is still in the second cache when the next
 * one reads it. They come in an order in which neighbours share a context, and a block has few first tokens. */

#include <math.h>

#define BLOCK (16 * TALL)       /* rows */
#define STRETCH (192 / LANES)   /* vectors of entries whose gradients stay in the first cache */
#define MAX_HEADS 8

/* What a step is asked for; grokbook.model.compiled has the same fields. */
struct problem {
    int64_t n_vocab, n_heads, d_model, d_head, d_mlp, n_ctx, first_b, n_b, n_rows;
    double scale;
    const float *weights[8];
    const int32_t *op, *b;         /* of each context */
    const int32_t *row, *a, *ctx;  /* rows in the order in which they are gone through, and what each has */
    const int64_t *label;          /* of each row, in the order of the table */
    float *gradients[8];
};

/* What depends on one token or on one context, and its gradient. An entry is `out` columns: neurons, then logits from
 * `logits` on, both padded with zeros to whole vectors. */
struct tables {
    int64_t logits, out, stride;
    float *score;        /* of b to any token: head, token, b; and its gradient */
    float *d_score;
    float *value;        /* α counts it: token, head, out */
    float *d_value;
    float *residual;     /* b, out */
    float *d_residual;
    float *to_both;      /* log of what op and b get together: context, head */
    float *d_to_both;
    float *to_b;         /* β, the share of b in that */
    float *d_to_b;
    float *to_logits, *to_neurons; /* W_out W_U packed, and transposed */
    float *d_neuron_logit;         /* logit, neuron */
    /* of one block */
    float *rows, *alpha, *context, *d_context;
    vec *d_alpha;
    double *powers;
};

INLINE float total(vec value) {
    float sum = 0;
    for (int i = 0; i < LANES; i++) sum += value[i];
    return sum;
}

/* ---- products ---------------------------------------------------------------------------------------------------- */

/* logits += post W_out W_U */
INLINE void add_neurons(const int wide, int64_t first, int64_t n, const struct problem *p, const struct tables *t,
                        int64_t k) {
    const float *panel = t->to_logits + first * p->d_mlp + k * wide * LANES;
    for (int64_t r = 0; r < n; r += TALL) {
        vec tile[TALL][WIDE];
        float *row = t->rows + r * t->stride, *logits = row + t->logits + first;
        read_tile(wide, logits, t->stride, tile);
        multiply(wide, least(DEPTH, p->d_mlp - k), (struct matrix){row + k, t->stride, 1}, panel, wide * LANES, tile);
        write_tile(wide, logits, t->stride, tile);
    }
}

/* gradient of W_out W_U, transposed += d_logitsᵀ post */
INLINE void by_neuron_logit(const int wide, int64_t first, int64_t n, const struct problem *p, const struct tables *t) {
    for (int64_t v = 0; v < p->n_vocab; v += TALL) {
        vec tile[TALL][WIDE] = {};
        float *gradient = t->d_neuron_logit + v * t->logits + first;
        multiply(wide, n, (struct matrix){t->rows + t->logits + v, 1, t->stride}, t->rows + first, t->stride, tile);
        /* A sum of sums: added one by one to what is there, thousands of rows would round more. */
        UNROLLED for (int i = 0; i < TALL; i++)
            UNROLLED for (int j = 0; j < wide; j++) {
                float *at = gradient + i * t->logits + j * LANES;
                store(at, load(at) + tile[i][j]);
            }
    }
}

/* post becomes its gradient: d_logits (W_out W_U)ᵀ where the neuron is on. */
INLINE void through_neurons(const int wide, int64_t first, int64_t n, const struct problem *p, const struct tables *t) {
    const float *panel = t->to_neurons + first * p->n_vocab;
    for (int64_t r = 0; r < n; r += TALL) {
        vec tile[TALL][WIDE] = {};
        float *row = t->rows + r * t->stride, *post = row + first;
        multiply(wide, p->n_vocab, (struct matrix){row + t->logits, t->stride, 1}, panel, wide * LANES, tile);
        UNROLLED for (int i = 0; i < TALL; i++)
            UNROLLED for (int j = 0; j < wide; j++) {
                float *at = post + i * t->stride + j * LANES;
                store(at, where(load(at) > 0, tile[i][j]));
            }
    }
}

/* ---- softmax, in float64 ------------------------------------------------------------------------------------------ */

typedef float float8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef double double8 __attribute__((vector_size(64), aligned(8), may_alias));
typedef int64_t long8 __attribute__((vector_size(64), aligned(8), may_alias));

/* exp(x) for x ≤ 0, as 2^k e^r with |r| ≤ ln 2 / 2. Of nan it makes anything. */
#define EXPONENTIAL(x, y)                                                                                              \
    do {                                                                                                               \
        const double shift_ = 6755399441055744.0; /* 1.5 · 2^52: what is added to it is rounded to the lowest bits */  \
        long8 tiny_ = (x) < -708.0;                                                                                    \
        double8 x_ = (double8)((tiny_ & (long8)(-708.0 - (double8){})) | (~tiny_ & (long8)(x)));                       \
        double8 shifted_ = x_ * 1.4426950408889634074 + shift_, k_ = shifted_ - shift_;                                \
        double8 r_ = x_ - k_ * 6.93145751953125e-1 - k_ * 1.42860682030941723212e-6;                                   \
        double8 y_ = r_ * (1.0 / 6227020800) + 1.0 / 479001600;                                                        \
        UNROLLED for (int f_ = 0; f_ < 12; f_++) y_ = y_ * r_ + 1.0 / factorials[f_];                                  \
        (y) = (double8)((long8)y_ + ((long8)shifted_ << 52));                                                          \
    } while (0)
static const double factorials[] = {39916800, 3628800, 362880, 40320, 5040, 720, 120, 24, 6, 2, 1, 1};

/* The logits of one row become their gradient. Columns from n_vocab on are 0, and stay so. */
static void through_softmax(float *logits, int64_t n_vocab, int64_t label, double scale, double *powers) {
    float highest = logits[0];
    for (int64_t j = 1; j < n_vocab; j++) highest = logits[j] > highest ? logits[j] : highest;
    double8 sums = {}, checks = {};
    int64_t j = 0;
    for (; j + 8 <= n_vocab; j += 8) {
        double8 x = __builtin_convertvector(*(float8 *)(logits + j), double8) - (double)highest, y;
        checks += x - x; /* nan where a logit is not finite */
        EXPONENTIAL(x, y);
        *(double8 *)(powers + j) = y;
        sums += y;
    }
    double sum = 0;
    for (int i = 0; i < 8; i++) sum += sums[i] + checks[i];
    for (; j < n_vocab; j++) sum += powers[j] = exp((double)logits[j] - (double)highest);
    double share = scale / sum;
    for (j = 0; j < n_vocab; j++) logits[j] = (float)(powers[j] * share);
    logits[label] = (float)(powers[label] * share - scale);
}

/* ---- weighted sums of entries -------------------------------------------------------------------------------------- */

/* Of one context, C = (1 − β) V[op] + β V[b] of every head, then the residual path with the C of all heads. */
INLINE void mix(const int heads, const struct problem *p, const struct tables *t, int64_t ctx) {
    const float *op = t->value + p->op[ctx] * heads * t->out, *b = t->value + p->b[ctx] * heads * t->out;
    const float *residual = t->residual + (p->b[ctx] - p->first_b) * t->out, *to_b = t->to_b + ctx * heads;
    for (int64_t j = 0; j < t->out; j += LANES) {
        vec sum = load(residual + j);
        UNROLLED for (int h = 0; h < heads; h++) {
            int64_t at = h * t->out + j;
            vec C = load(op + at) + spread(to_b[h]) * (load(b + at) - load(op + at));
            store(t->context + at, C);
            sum += C;
        }
        store(t->context + heads * t->out + j, sum);
    }
}

/* The gradient of what `mix` made goes to what it was made of. */
INLINE void unmix(const int heads, const struct problem *p, const struct tables *t, int64_t ctx) {
    int64_t at_op = p->op[ctx] * heads * t->out, at_b = p->b[ctx] * heads * t->out;
    const float *op = t->value + at_op, *b = t->value + at_b, *to_b = t->to_b + ctx * heads;
    float *d_op = t->d_value + at_op, *d_b = t->d_value + at_b;
    float *d_residual = t->d_residual + (p->b[ctx] - p->first_b) * t->out;
    const float *d_sum = t->d_context + heads * t->out;
    vec d_to_b[MAX_HEADS] = {};
    for (int64_t j = 0; j < t->out; j += LANES) {
        store(d_residual + j, load(d_residual + j) + load(d_sum + j));
        UNROLLED for (int h = 0; h < heads; h++) {
            int64_t at = h * t->out + j;
            vec d_C = load(d_sum + j) - load(t->d_context + at), part = spread(to_b[h]) * d_C;
            d_to_b[h] += d_C * (load(b + at) - load(op + at));
            store(d_b + at, load(d_b + at) + part);
            store(d_op + at, load(d_op + at) + (d_C - part));
        }
    }
    UNROLLED for (int h = 0; h < heads; h++) t->d_to_b[ctx * heads + h] += total(d_to_b[h]);
}

/* α V + (1 − α) C of all heads, and the residual path: some columns of one row. */
INLINE void sum_entries(const int heads, const int rectified, int64_t from, int64_t to, const struct tables *t,
                        const float *value, const float *alpha, float *row) {
    const float *residual = t->context + heads * t->out;
    for (int64_t j = from; j < to; j += LANES) {
        vec sum = load(residual + j);
        UNROLLED for (int h = 0; h < heads; h++)
            sum += spread(alpha[h]) * (load(value + h * t->out + j) - load(t->context + h * t->out + j));
        /* Not a maximum, which would turn nan into 0 and hide that a run has diverged. */
        store(row + j, rectified ? where(~(sum < 0), sum) : sum);
    }
}

/* The gradient of some columns of one row goes to its entries, and to α. d_context is what its context loses: Σ α d. */
INLINE void spread_gradient(const int heads, int64_t from, int64_t to, const struct tables *t, int64_t a,
                            const float *alpha, const float *row, vec *d_alpha) {
    const float *value = t->value + a * heads * t->out;
    float *d_value = t->d_value + a * heads * t->out, *d_sum = t->d_context + heads * t->out;
    vec found[MAX_HEADS];
    UNROLLED for (int h = 0; h < heads; h++) found[h] = d_alpha[h];
    for (int64_t j = from; j < to; j += LANES) {
        vec d = load(row + j);
        store(d_sum + j, load(d_sum + j) + d);
        UNROLLED for (int h = 0; h < heads; h++) {
            int64_t at = h * t->out + j;
            vec part = spread(alpha[h]) * d;
            found[h] += d * (load(value + at) - load(t->context + at));
            store(d_value + at, load(d_value + at) + part);
            store(t->d_context + at, load(t->d_context + at) + part);
        }
    }
    UNROLLED for (int h = 0; h < heads; h++) d_alpha[h] = found[h];
}

/* ---- a block ------------------------------------------------------------------------------------------------------- */

/* How many of the rows from i on have the context of the first. */
INLINE int64_t same_context(const int32_t *ctx, int64_t i, int64_t end) {
    int64_t j = i + 1;
    while (j < end && ctx[j] == ctx[i]) j++;
    return j;
}

INLINE float *score_of(const struct problem *p, float *score, int64_t head, int64_t token, int64_t b) {
    return score + (head * p->n_vocab + token) * p->n_b + b - p->first_b;
}

INLINE void block_forward(const int heads, const struct problem *p, const struct tables *t, int64_t begin, int64_t end) {
    for (int64_t i = begin, next; i < end; i = next) {
        int64_t ctx = p->ctx[i];
        next = same_context(p->ctx, i, end);
        mix(heads, p, t, ctx);
        for (; i < next; i++) {
            float *alpha = t->alpha + (i - begin) * heads, *row = t->rows + (i - begin) * t->stride;
            for (int h = 0; h < heads; h++)
                alpha[h] = 1 / (1 + expf(t->to_both[ctx * heads + h] - *score_of(p, t->score, h, p->a[i], p->b[ctx])));
            const float *value = t->value + p->a[i] * heads * t->out;
            sum_entries(heads, 1, 0, t->logits, t, value, alpha, row);
            sum_entries(heads, 0, t->logits, t->out, t, value, alpha, row);
        }
    }
}

INLINE void block_backward(const int heads, const struct problem *p, const struct tables *t, int64_t begin,
                           int64_t end) {
    for (int64_t i = begin, next; i < end; i = next) {
        int64_t ctx = p->ctx[i];
        next = same_context(p->ctx, i, end);
        mix(heads, p, t, ctx);
        memset(t->d_context, 0, (heads + 1) * t->out * sizeof(float));
        memset(t->d_alpha, 0, (next - i) * heads * sizeof(vec));
        for (int64_t from = 0; from < t->out; from += STRETCH * LANES)
            for (int64_t r = i; r < next; r++)
                spread_gradient(heads, from, least(from + STRETCH * LANES, t->out), t, p->a[r],
                                t->alpha + (r - begin) * heads, t->rows + (r - begin) * t->stride,
                                t->d_alpha + (r - i) * heads);
        unmix(heads, p, t, ctx);
        for (int64_t r = i; r < next; r++)
            for (int h = 0; h < heads; h++) {
                float alpha = t->alpha[(r - begin) * heads + h];
                float d_score = total(t->d_alpha[(r - i) * heads + h]) * alpha * (1 - alpha);
                *score_of(p, t->d_score, h, p->a[r], p->b[ctx]) += d_score;
                t->d_to_both[ctx * heads + h] -= d_score;
            }
    }
}

/* From the neurons of a block to their gradients. */
static __attribute__((noinline)) void block_products(const struct problem *p, const struct tables *t, int64_t begin,
                                                     int64_t n) {
    int64_t tall = whole(n, TALL);
    memset(t->rows + n * t->stride, 0, (tall - n) * t->stride * sizeof(float));
    for (int64_t k = 0; k < p->d_mlp; k += DEPTH) BY_PANELS(p->n_vocab, add_neurons, tall, p, t, k)
    for (int64_t i = 0; i < n; i++)
        through_softmax(t->rows + i * t->stride + t->logits, p->n_vocab, p->label[p->row[begin + i]], p->scale,
                        t->powers);
    BY_PANELS(t->logits, by_neuron_logit, n, p, t)
    BY_PANELS(t->logits, through_neurons, tall, p, t)
}

INLINE void all_rows(const int heads, const struct problem *p, const struct tables *t) {
    for (int64_t begin = 0; begin < p->n_rows; begin += BLOCK) {
        int64_t end = least(begin + BLOCK, p->n_rows);
        block_forward(heads, p, t, begin, end);
        block_products(p, t, begin, end - begin);
        block_backward(heads, p, t, begin, end);
    }
}
