/* The gradient of one run in float32, in one call from grokbook/model/compiled.py.
 *
 * It is that of grokbook/model/backward.py, with symbols as in grokbook/model/folded.py, and goes two ways of its own.
 * The scores of op and b are scores of b to any token like that of a, so that there is one table of them. And C is
 * linear in V and β: it is mixed from the entries of op and b where a group of rows needs it, and no table has it. */

#include <stdlib.h>

#include "products.h"
#include "rows.h"

enum { W_E, W_Q, W_K, W_V, W_O, W_IN, W_OUT, W_U };

/* What the tables are made of, with what their gradients are made of. */
struct parts {
    int64_t qkv;            /* columns of a token: queries, keys and values of all heads */
    float *merged, *d_merged; /* W_Q / √d_head, W_K and W_V of all heads side by side: model, qkv */
    float *token, *d_token; /* token, qkv */
    float *maps, *d_maps;   /* [W_in | W_U]: model, out */
    float *head_maps, *d_head_maps; /* W_O [W_in | W_U]: head · d_head, out */
    float *neuron_logit;    /* neuron, logit */
    float *packed;
};

INLINE struct matrix rows_of(const float *at, int64_t stride) { return (struct matrix){at, stride, 1}; }
INLINE struct matrix columns_of(const float *at, int64_t stride) { return (struct matrix){at, 1, stride}; }

/* Hands out places in one piece of memory, and counts what it has handed out; without memory it only counts. */
struct places {
    char *memory;
    size_t used;
};

static void *place(struct places *at, size_t bytes) {
    void *found = at->memory + at->used;
    at->used += (bytes + 63) / 64 * 64;
    return found;
}

static void lay_out(struct places *at, const struct problem *p, struct tables *t, struct parts *s) {
    int64_t heads = p->n_heads, n = p->n_vocab, D = p->d_model, HK = heads * p->d_head;
    t->logits = whole(p->d_mlp, LANES);
    t->out = t->logits + whole(n, LANES);
    /* An odd number of cache lines: rows below one another do not compete for the same places in the first cache. */
    t->stride = (whole(t->out, LINE) / LINE | 1) * LINE;
    s->qkv = 3 * HK;
#define FLOATS(number) place(at, (number) * sizeof(float))
    /* What gradients are added to comes first: it is set to 0. */
    t->d_score = FLOATS(heads * n * p->n_b);
    t->d_value = FLOATS(n * heads * t->out);
    t->d_residual = FLOATS(p->n_b * t->out);
    t->d_to_both = FLOATS(p->n_ctx * heads);
    t->d_to_b = FLOATS(p->n_ctx * heads);
    t->d_neuron_logit = FLOATS(whole(n, TALL) * t->logits);
    t->rows = FLOATS((BLOCK + 1) * t->stride); /* the last tile of logits reads beyond the last row */
    s->d_token = FLOATS(n * s->qkv);
    s->maps = FLOATS(D * t->out);
    t->score = FLOATS(heads * n * p->n_b);
    t->value = FLOATS(n * heads * t->out);
    t->residual = FLOATS(p->n_b * t->out);
    t->to_both = FLOATS(p->n_ctx * heads);
    t->to_b = FLOATS(p->n_ctx * heads);
    t->to_logits = FLOATS(p->d_mlp * whole(n, LANES));
    t->to_neurons = FLOATS(n * t->logits);
    t->alpha = FLOATS(BLOCK * heads);
    t->context = FLOATS((heads + 1) * t->out);
    t->d_context = FLOATS((heads + 1) * t->out);
    t->d_alpha = FLOATS(BLOCK * heads * LANES);
    t->powers = FLOATS(2 * n);
    s->merged = FLOATS(D * s->qkv);
    s->d_merged = FLOATS(D * s->qkv);
    s->token = FLOATS(n * s->qkv);
    s->d_maps = FLOATS(D * t->out);
    s->head_maps = FLOATS(HK * t->out);
    s->d_head_maps = FLOATS(HK * t->out);
    s->neuron_logit = FLOATS(p->d_mlp * whole(n, LANES));
    int64_t longest = n + D + HK + t->out; /* no side of a product is longer, and twice this holds both */
    s->packed = FLOATS(packed_floats(longest, longest, longest));
#undef FLOATS
}

/* W_Q / √d_head, W_K and W_V of all heads side by side; or, backwards, their gradients taken apart. */
static void merge(const struct problem *p, const float *const *weights, float *merged) {
    int64_t K = p->d_head, HK = p->n_heads * K;
    for (int part = 0; part < 3; part++) {
        float factor = part ? 1 : 1 / sqrtf((float)K);
        for (int64_t h = 0; h < p->n_heads; h++)
            for (int64_t d = 0; d < p->d_model; d++)
                for (int64_t k = 0; k < K; k++)
                    merged[(d * 3 + part) * HK + h * K + k] = weights[W_Q + part][(h * p->d_model + d) * K + k] * factor;
    }
}

static void take_apart(const struct problem *p, const float *merged) {
    int64_t K = p->d_head, HK = p->n_heads * K;
    for (int part = 0; part < 3; part++) {
        float factor = part ? 1 : 1 / sqrtf((float)K);
        for (int64_t h = 0; h < p->n_heads; h++)
            for (int64_t d = 0; d < p->d_model; d++)
                for (int64_t k = 0; k < K; k++)
                    p->gradients[W_Q + part][(h * p->d_model + d) * K + k] =
                        merged[(d * 3 + part) * HK + h * K + k] * factor;
    }
}

/* Everything that depends on one token or one context only. */
static void fold(const struct problem *p, const struct tables *t, const struct parts *s) {
    int64_t n = p->n_vocab, D = p->d_model, K = p->d_head, HK = p->n_heads * K, out = t->out;
    const float *const *w = p->weights;
    merge(p, w, s->merged);
    product(n, s->qkv, D, rows_of(w[W_E], D), rows_of(s->merged, s->qkv), 0, s->token, s->qkv, s->packed);
    for (int64_t h = 0; h < p->n_heads; h++) {
        const float *key = s->token + HK + h * K, *query = s->token + p->first_b * s->qkv + h * K;
        product(n, p->n_b, K, rows_of(key, s->qkv), columns_of(query, s->qkv), 0, t->score + h * n * p->n_b, p->n_b,
                s->packed);
    }
    for (int64_t ctx = 0; ctx < p->n_ctx; ctx++)
        for (int64_t h = 0; h < p->n_heads; h++) {
            float to_op = *score_of(p, t->score, h, p->op[ctx], p->b[ctx]);
            float to_b = *score_of(p, t->score, h, p->b[ctx], p->b[ctx]);
            float higher = to_op > to_b ? to_op : to_b;
            t->to_both[ctx * p->n_heads + h] = higher + log1pf(expf(-fabsf(to_op - to_b)));
            t->to_b[ctx * p->n_heads + h] = 1 / (1 + expf(to_op - to_b));
        }

    for (int64_t d = 0; d < D; d++) {
        memcpy(s->maps + d * out, w[W_IN] + d * p->d_mlp, p->d_mlp * sizeof(float));
        memcpy(s->maps + d * out + t->logits, w[W_U] + d * n, n * sizeof(float));
    }
    product(HK, out, D, rows_of(w[W_O], D), rows_of(s->maps, out), 0, s->head_maps, out, s->packed);
    for (int64_t h = 0; h < p->n_heads; h++)
        product(n, out, K, rows_of(s->token + 2 * HK + h * K, s->qkv), rows_of(s->head_maps + h * K * out, out), 0,
                t->value + h * out, p->n_heads * out, s->packed);
    product(p->n_b, out, D, rows_of(w[W_E] + p->first_b * D, D), rows_of(s->maps, out), 0, t->residual, out, s->packed);

    int64_t columns = out - t->logits;
    product(p->d_mlp, columns, D, rows_of(w[W_OUT], D), rows_of(s->maps + t->logits, out), 0, s->neuron_logit, columns,
            s->packed);
    pack_right(rows_of(s->neuron_logit, columns), p->d_mlp, n, t->to_logits);
    pack_right(columns_of(s->neuron_logit, columns), n, p->d_mlp, t->to_neurons);
}

/* The gradient of `fold`. */
static void unfold(const struct problem *p, const struct tables *t, const struct parts *s) {
    int64_t n = p->n_vocab, D = p->d_model, K = p->d_head, HK = p->n_heads * K, out = t->out;
    const float *const *w = p->weights;
    float *const *g = p->gradients;
    for (int64_t ctx = 0; ctx < p->n_ctx; ctx++)
        for (int64_t h = 0; h < p->n_heads; h++) {
            float to_b = t->to_b[ctx * p->n_heads + h], d_both = t->d_to_both[ctx * p->n_heads + h];
            float d_share = t->d_to_b[ctx * p->n_heads + h] * to_b * (1 - to_b);
            *score_of(p, t->d_score, h, p->b[ctx], p->b[ctx]) += d_both * to_b + d_share;
            *score_of(p, t->d_score, h, p->op[ctx], p->b[ctx]) += d_both * (1 - to_b) - d_share;
        }
    for (int64_t h = 0; h < p->n_heads; h++) {
        const float *d_score = t->d_score + h * n * p->n_b;
        const float *query = s->token + p->first_b * s->qkv + h * K, *key = s->token + HK + h * K;
        product(p->n_b, K, n, columns_of(d_score, p->n_b), rows_of(key, s->qkv), 0,
                s->d_token + p->first_b * s->qkv + h * K, s->qkv, s->packed);
        product(n, K, p->n_b, rows_of(d_score, p->n_b), rows_of(query, s->qkv), 0, s->d_token + HK + h * K, s->qkv,
                s->packed);
        const float *value = s->token + 2 * HK + h * K, *d_value = t->d_value + h * out;
        product(n, K, out, rows_of(d_value, p->n_heads * out), columns_of(s->head_maps + h * K * out, out), 0,
                s->d_token + 2 * HK + h * K, s->qkv, s->packed);
        product(K, out, n, columns_of(value, s->qkv), rows_of(d_value, p->n_heads * out), 0,
                s->d_head_maps + h * K * out, out, s->packed);
    }
    const float *embedding_b = w[W_E] + p->first_b * D;
    product(HK, D, out, rows_of(s->d_head_maps, out), columns_of(s->maps, out), 0, g[W_O], D, s->packed);
    product(D, out, HK, columns_of(w[W_O], D), rows_of(s->d_head_maps, out), 0, s->d_maps, out, s->packed);
    product(D, out, p->n_b, columns_of(embedding_b, D), rows_of(t->d_residual, out), 1, s->d_maps, out, s->packed);
    product(D, n, p->d_mlp, columns_of(w[W_OUT], D), columns_of(t->d_neuron_logit, t->logits), 1, s->d_maps + t->logits,
            out, s->packed);
    product(p->d_mlp, D, n, columns_of(t->d_neuron_logit, t->logits), columns_of(w[W_U], n), 0, g[W_OUT], D, s->packed);
    for (int64_t d = 0; d < D; d++) {
        memcpy(g[W_IN] + d * p->d_mlp, s->d_maps + d * out, p->d_mlp * sizeof(float));
        memcpy(g[W_U] + d * n, s->d_maps + d * out + t->logits, n * sizeof(float));
    }
    product(n, D, s->qkv, rows_of(s->d_token, s->qkv), columns_of(s->merged, s->qkv), 0, g[W_E], D, s->packed);
    product(p->n_b, D, out, rows_of(t->d_residual, out), columns_of(s->maps, out), 1, g[W_E] + p->first_b * D, D,
            s->packed);
    product(D, s->qkv, n, columns_of(w[W_E], D), rows_of(s->d_token, s->qkv), 0, s->d_merged, s->qkv, s->packed);
    take_apart(p, s->d_merged);
}

/* 0 if the gradients are there, 1 if there is no memory, 2 if it has no loop for this number of heads. */
int gradients(const struct problem *p) {
    struct tables t;
    struct parts s;
    struct places at = {0};
    lay_out(&at, p, &t, &s);
    if ((at.memory = aligned_alloc(64, at.used)) == NULL) return 1;
    char *memory = at.memory;
    at.used = 0;
    lay_out(&at, p, &t, &s);
    memset(memory, 0, (char *)t.score - memory);
    fold(p, &t, &s);
    int status = 0;
    switch (p->n_heads) {
    case 1: all_rows(1, p, &t); break;
    case 2: all_rows(2, p, &t); break;
    case 4: all_rows(4, p, &t); break;
    case 8: all_rows(8, p, &t); break;
    default: status = 2;
    }
    if (!status) unfold(p, &t, &s);
    free(memory);
    return status;
}
