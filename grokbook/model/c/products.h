/* Vectors as long as the processor's, and products of float32 matrices whose tiles stay in its registers. */

#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#define LANES 16
#define TALL 7 /* a tile has TALL rows of WIDE vectors, about as many as there are registers */
#define WIDE 4
#elif defined(__AVX__)
#define LANES 8
#define TALL 6
#define WIDE 2
#elif defined(__aarch64__)
#define LANES 4
#define TALL 6
#define WIDE 4
#else
#define LANES 4
#define TALL 6
#define WIDE 2
#endif
#define PANEL (WIDE * LANES)               /* columns */
#define DEPTH (4096 / PANEL)               /* rows of a panel that are used at a time: 16 kB, half of the first cache */
#define LINE (64 / (int64_t)sizeof(float)) /* floats of a cache line */
#define INLINE static inline __attribute__((always_inline))
#define UNROLLED _Pragma("GCC unroll 16")

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t mask __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

INLINE vec load(const float *from) { return *(const vec *)from; }
INLINE void store(float *to, vec value) { *(vec *)to = value; }
INLINE vec spread(float value) { return value - (vec){}; }
INLINE vec where(mask chosen, vec value) { return (vec)(chosen & (mask)value); }

INLINE int64_t least(int64_t x, int64_t y) { return x < y ? x : y; }
INLINE int64_t whole(int64_t n, int64_t size) { return (n + size - 1) / size * size; }

/* A matrix by its strides: element (i, j) is at[i · down + j · across]. */
struct matrix {
    const float *at;
    int64_t down, across;
};

/* tile[i][j] += Σ_k left[i · down + k · across] · right[k · stride + j] */
INLINE void multiply(const int wide, int64_t depth, struct matrix left, const float *right, int64_t stride,
                     vec tile[TALL][WIDE]) {
    for (int64_t k = 0; k < depth; k++) {
        vec of_right[WIDE];
        UNROLLED for (int j = 0; j < wide; j++) of_right[j] = load(right + k * stride + j * LANES);
        UNROLLED for (int i = 0; i < TALL; i++) {
            vec of_left = spread(left.at[i * left.down + k * left.across]);
            UNROLLED for (int j = 0; j < wide; j++) tile[i][j] += of_left * of_right[j];
        }
    }
}

INLINE void read_tile(const int wide, const float *from, int64_t stride, vec tile[TALL][WIDE]) {
    UNROLLED for (int i = 0; i < TALL; i++)
        UNROLLED for (int j = 0; j < wide; j++) tile[i][j] = load(from + i * stride + j * LANES);
}

INLINE void write_tile(const int wide, float *to, int64_t stride, vec tile[TALL][WIDE]) {
    UNROLLED for (int i = 0; i < TALL; i++)
        UNROLLED for (int j = 0; j < wide; j++) store(to + i * stride + j * LANES, tile[i][j]);
}

/* Calls part(wide, first, …) for each panel of columns, with the number of its vectors as a constant. */
#define BY_PANELS(columns, part, ...)                                                                                  \
    for (int64_t first = 0; first < (columns); first += PANEL) {                                                       \
        int64_t vectors = whole(least(PANEL, (columns)-first), LANES) / LANES;                                         \
        if (vectors == WIDE) part(WIDE, first, __VA_ARGS__);                                                           \
        else if (vectors == 3) part(WIDE > 3 ? 3 : 1, first, __VA_ARGS__);                                             \
        else if (vectors == 2) part(WIDE > 2 ? 2 : 1, first, __VA_ARGS__);                                             \
        else part(1, first, __VA_ARGS__);                                                                              \
    }

/* Columns of a panel as they lie in memory: the last one is as wide as its vectors. */
INLINE int64_t panel_width(int64_t columns, int64_t first) { return least(PANEL, whole(columns - first, LANES)); }

/* The right side of a product, panel after panel, with zeros behind its last column. */
static void pack_right(struct matrix from, int64_t depth, int64_t columns, float *to) {
    for (int64_t first = 0; first < columns; first += PANEL) {
        int64_t width = panel_width(columns, first), filled = least(width, columns - first);
        for (int64_t k = 0; k < depth; k++, to += width) {
            const float *row = from.at + k * from.down + first * from.across;
            if (from.across == 1) memcpy(to, row, filled * sizeof(float));
            else
                for (int64_t j = 0; j < filled; j++) to[j] = row[j * from.across];
            memset(to + filled, 0, (width - filled) * sizeof(float));
        }
    }
}

/* The left side, TALL rows after TALL rows, with zeros below its last row. */
static void pack_left(struct matrix from, int64_t rows, int64_t depth, float *to) {
    for (int64_t r = 0; r < rows; r += TALL)
        for (int64_t k = 0; k < depth; k++)
            for (int64_t i = 0; i < TALL; i++)
                *to++ = r + i < rows ? from.at[(r + i) * from.down + k * from.across] : 0;
}

/* Floats that the packed sides take. */
INLINE int64_t packed_floats(int64_t rows, int64_t columns, int64_t depth) {
    return depth * (whole(rows, TALL) + whole(columns, LANES));
}

INLINE void product_panel(const int wide, int64_t first, int64_t rows, int64_t columns, int64_t depth, const float *left,
                          const float *right, int add, float *to, int64_t stride) {
    for (int64_t k = 0; k < depth; k += DEPTH, add = 1)
        for (int64_t r = 0; r < rows; r += TALL) {
            vec tile[TALL][WIDE] = {};
            struct matrix down = {left + r * depth + k * TALL, 1, TALL};
            const float *across = right + first * depth + k * wide * LANES;
            float *at = to + r * stride + first;
            int inside = r + TALL <= rows && first + wide * LANES <= columns;
            if (inside && add) read_tile(wide, at, stride, tile);
            multiply(wide, least(DEPTH, depth - k), down, across, wide * LANES, tile);
            if (inside) write_tile(wide, at, stride, tile);
            else {
                float edge[TALL][PANEL];
                write_tile(wide, edge[0], PANEL, tile);
                for (int64_t i = 0; i < least(TALL, rows - r); i++)
                    for (int64_t j = 0; j < least(PANEL, columns - first); j++)
                        at[i * stride + j] = (add ? at[i * stride + j] : 0) + edge[i][j];
            }
        }
}

/* to (+)= left · right, into rows that are `stride` apart; `packed` has place for both sides. */
static __attribute__((noinline)) void product(int64_t rows, int64_t columns, int64_t depth, struct matrix left, struct matrix right, int add,
                    float *to, int64_t stride, float *packed) {
    float *packed_right = packed + depth * whole(rows, TALL);
    pack_left(left, rows, depth, packed);
    pack_right(right, depth, columns, packed_right);
    BY_PANELS(columns, product_panel, rows, columns, depth, packed, packed_right, add, to, stride)
}
