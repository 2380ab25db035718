#include "report.h"

#include <stdio.h>

#include "options.h"
#include "protocol.h"
#include "wsload.h"

/* What all workers have counted in the whole run. */
struct totals {
    struct histogram latency, ack;
    uint64_t gaps, late, closed, protocol_errors, unmarked, foreign, pings, ack_errors, deflated;
    const char *reason;
};

static void sum_up(struct totals *ret) {
    ret->reason = "";
    for (int i = 0; i < load.n_workers; i++) {
        const struct worker *w = &load.workers[i];
        histogram_merge(&ret->latency, &w->latency);
        histogram_merge(&ret->ack, &w->ack);
        ret->gaps += w->gaps;
        ret->late += w->late;
        ret->closed += w->closed;
        ret->protocol_errors += w->protocol_errors;
        ret->unmarked += w->unmarked;
        ret->foreign += w->foreign;
        ret->pings += w->pings;
        ret->ack_errors += w->ack_errors;
        ret->deflated += w->deflated;
        if (w->reason[0])
            ret->reason = w->reason;
    }
}

static double ratio(double a, double b) {
    return b > 0 ? a / b : 0;
}

static double lost(const struct results *r) {
    return load.expected > r->drained ? (double) (load.expected - r->drained) : 0;
}

static double per_connection(uint64_t kb, uint64_t base_kb) {
    return ratio(((double) kb - (double) base_kb) * 1024, options.subs + options.pubs);
}

/* ---- JSON ---- */

static void put(const char *name, double v) {
    (void) printf(",\"%s\":%.10g", name, v);
}

static void put_text(const char *name, const char *text) {
    (void) printf(",\"%s\":\"", name);
    for (const char *p = text; *p; p++)
        (void) printf(*p == '"' || *p == '\\' ? "\\%c" : "%c", (unsigned char) *p < 32 ? ' ' : *p);
    (void) printf("\"");
}

static void put_quantiles(const char *name, const struct histogram *h) {
    static const struct {
        const char *name;
        double q;
    } quantiles[] = { { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 }, { "p999", 0.999 } };
    char full[64];
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
        (void) snprintf(full, sizeof full, "%s_%s_us", name, quantiles[i].name);
        put(full, histogram_us(h, quantiles[i].q));
    }
    (void) snprintf(full, sizeof full, "%s_max_us", name);
    put(full, (double) h->max / 1e3);
    (void) snprintf(full, sizeof full, "%s_mean_us", name);
    put(full, ratio((double) h->sum, (double) h->n) / 1e3);
}

static void put_setup(const struct results *r) {
    put("handshakes", load.n_handshaken);
    put("handshake_s", r->handshakes_s);
    put("handshakes_per_s", ratio(load.n_handshaken, r->handshakes_s));
    put_quantiles("handshake", &load.handshakes);
    put("setup_s", r->setup_s);
    put("ready_p99_us", histogram_us(&load.readies, .99));
    put("setup_server_cpu_us_per_conn", ratio(r->setup_server_cpu * 1e6, load.n_handshaken));
    put("setup_own_cpu_us_per_conn", ratio(r->setup_own_cpu * 1e6, load.n_handshaken));
    put("setup_failed", load.n_failed);
}

static void put_load(const struct results *r, const struct totals *t) {
    const struct counters *m = &r->measured;
    double s = r->measured_s, messages = (double) (m->delivered + m->acks);
    put("measure_s", s);
    put("published", (double) m->published);
    put("published_per_s", ratio((double) m->published, s));
    put("delivered", (double) m->delivered);
    put("deliveries_per_s", ratio((double) m->delivered, s));
    put("payload_MBps", ratio((double) m->bytes, s) / 1e6);
    put("wire_MBps", ratio((double) m->rx_bytes, s) / 1e6);
    put("msgs_per_frame", ratio(messages, (double) m->frames));
    put("msgs_per_recv", ratio(messages, (double) m->recvs));
    put_quantiles("lat", &t->latency);
    put("lag_p99_us", histogram_us(&load.lag, .99));
    put("acks", (double) m->acks);
    put("acks_per_s", ratio((double) m->acks, s));
    put("ack_errors", (double) t->ack_errors);
    put_quantiles("ack", &t->ack);
    put("expected_total", (double) load.expected);
    put("delivered_total", (double) r->drained);
    put("lost", lost(r));
    put("seq_gaps", (double) t->gaps);
    put("order_violations", (double) t->late);
    put("unmarked", (double) t->unmarked);
    put("foreign", (double) t->foreign);
    put("closed", (double) t->closed);
    put("protocol_errors", (double) t->protocol_errors);
    put("pings", (double) t->pings);
    put("deflated_frames", (double) t->deflated);
    put("stalls", (double) r->stalls);
}

static void put_machine(const struct results *r) {
    double s = r->measured_s, cpu = r->after.total - r->before.total;
    put("server_cpu_s", cpu);
    put("server_user_s", r->after.user - r->before.user);
    put("server_sys_s", r->after.sys - r->before.sys);
    put("server_cpu_pct", ratio(cpu * 100, s));
    put("server_cpu_us_per_delivery", ratio(cpu * 1e6, (double) r->measured.delivered));
    put("server_cpu_us_per_publish", ratio(cpu * 1e6, (double) r->measured.published));
    put("own_cpu_pct", ratio(r->own_cpu * 100, s));
    put("own_cpu_us_per_delivery", ratio(r->own_cpu * 1e6, (double) r->measured.delivered));
    put("server_core_busy_pct",
        ratio((r->after.server_core_busy - r->before.server_core_busy) * 100, s));
    put("client_core_busy_pct",
        ratio((r->after.client_core_busy - r->before.client_core_busy) * 100, s));
    put("steal_pct", ratio((r->after.stolen - r->before.stolen) * 100, s));
    put("pss_base_kb", (double) r->started.pss_kb);
    put("pss_conn_kb", (double) r->settled.pss_kb);
    put("pss_end_kb", (double) r->ended.pss_kb);
    put("rss_end_kb", (double) r->ended.rss_kb);
    put("pss_per_conn_b", per_connection(r->settled.pss_kb, r->started.pss_kb));
    put("pss_per_conn_end_b", per_connection(r->ended.pss_kb, r->started.pss_kb));
    put("slab_per_conn_b", per_connection(r->settled.slab_kb, r->started.slab_kb));
    put("tcp_mem_pages", (double) r->ended.tcp_mem_pages);
}

static void print_json(const struct results *r, const struct totals *t) {
    (void) printf("{\"proto\":\"%s\",\"mode\":\"%s\"", options.protocol->name,
                  mode_names[options.mode]);
    put_text("label", options.label);
    put("subs", options.subs);
    put("pubs", options.pubs);
    put("channels", options.channels);
    put("size", options.size);
    put("rate", options.rate);
    put("window", options.window);
    put("pub_batch", options.pub_batch);
    put_setup(r);
    if (!load.churns) {
        put_load(r, t);
        put_machine(r);
    }
    put_text("last_error", t->reason);
    (void) printf("}\n");
}

/* ---- for people ---- */

static void print_load(const struct results *r, const struct totals *t) {
    const struct counters *m = &r->measured;
    double s = r->measured_s;
    (void) printf("published   %llu = %.0f/s   acks %.0f/s p50 %.0f us p99 %.0f us (errors %llu)\n",
                  (unsigned long long) m->published, ratio((double) m->published, s),
                  ratio((double) m->acks, s), histogram_us(&t->ack, .5), histogram_us(&t->ack, .99),
                  (unsigned long long) t->ack_errors);
    (void) printf(
            "delivered   %llu = %.0f/s   %.1f MB/s payload  %.2f msgs/frame  %.2f msgs/recv\n",
            (unsigned long long) m->delivered, ratio((double) m->delivered, s),
            ratio((double) m->bytes, s) / 1e6,
            ratio((double) (m->delivered + m->acks), (double) m->frames),
            ratio((double) (m->delivered + m->acks), (double) m->recvs));
    (void) printf("latency us  p50 %.0f  p90 %.0f  p99 %.0f  p99.9 %.0f  max %.0f   "
                  "publish lag p99 %.0f\n",
                  histogram_us(&t->latency, .5), histogram_us(&t->latency, .9),
                  histogram_us(&t->latency, .99), histogram_us(&t->latency, .999),
                  (double) t->latency.max / 1e3, histogram_us(&load.lag, .99));
    (void) printf("integrity   expected %llu delivered %llu lost %.0f gaps %llu out-of-order %llu "
                  "closed %llu unmarked %llu stalls %llu\n",
                  (unsigned long long) load.expected, (unsigned long long) r->drained, lost(r),
                  (unsigned long long) t->gaps, (unsigned long long) t->late,
                  (unsigned long long) t->closed, (unsigned long long) t->unmarked,
                  (unsigned long long) r->stalls);
}

static void print_text(const struct results *r, const struct totals *t) {
    (void) printf("handshakes  %d in %.3f s = %.0f/s  p50 %.0f us  p99 %.0f us  server CPU %.1f us "
                  "each, own %.1f us\n",
                  load.n_handshaken, r->handshakes_s, ratio(load.n_handshaken, r->handshakes_s),
                  histogram_us(&load.handshakes, .5), histogram_us(&load.handshakes, .99),
                  ratio(r->setup_server_cpu * 1e6, load.n_handshaken),
                  ratio(r->setup_own_cpu * 1e6, load.n_handshaken));
    if (load.churns)
        return;
    if (r->measured.published || r->measured.delivered)
        print_load(r, t);
    double cpu = r->after.total - r->before.total;
    (void) printf("cpu         server %.1f %%, %.3f us per delivery, %.2f us per publish; "
                  "own %.1f %%\n",
                  ratio(cpu * 100, r->measured_s), ratio(cpu * 1e6, (double) r->measured.delivered),
                  ratio(cpu * 1e6, (double) r->measured.published),
                  ratio(r->own_cpu * 100, r->measured_s));
    (void) printf("memory      server Pss %llu -> %llu -> %llu kB, %.0f B per connection (end %.0f "
                  "B); kernel slab %.0f B per connection (both ends)\n",
                  (unsigned long long) r->started.pss_kb, (unsigned long long) r->settled.pss_kb,
                  (unsigned long long) r->ended.pss_kb,
                  per_connection(r->settled.pss_kb, r->started.pss_kb),
                  per_connection(r->ended.pss_kb, r->started.pss_kb),
                  per_connection(r->settled.slab_kb, r->started.slab_kb));
    if (t->reason[0])
        (void) printf("last error  %s\n", t->reason);
}

bool report_print(const struct results *results) {
    static struct totals totals;
    sum_up(&totals);
    if (options.is_json)
        print_json(results, &totals);
    else
        print_text(results, &totals);
    return results->drained >= load.expected && totals.late == 0;
}
