/* Calls the Rust staticlib and judges its numbers: learning must have happened, and neurons must have fired. */
#include <stdint.h>
#include <stdio.h>

struct report {
    double first_loss, last_loss;
    uint32_t spikes, failed;
};

struct report eprop_check(void);

int main(void) {
    struct report r = eprop_check();
    int ok = !r.failed && r.last_loss < 0.5 * r.first_loss && r.spikes > 0;
    printf("no_std: loss %.6f -> %.6f over 50 sequences, %u spikes in 100 steps: %s\n", r.first_loss, r.last_loss,
           (unsigned)r.spikes, ok ? "ok" : "FAILED (the last loss must be below half of the first)");
    return !ok;
}
