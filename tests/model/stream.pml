/*
 * One channel, kept in Redis, from those who publish to one who follows it and must not be lied to. See README.md
 * for what stands for what, the bounds, and what is left out; ./run verifies it.
 *
 * Each step is atomic; all orders of steps are tried. BROKEN_... leaves a rule out, one at a time, which must show;
 * RELAXED_STALE one that is there twice over, which must not.
 */
#ifndef PUBLICATIONS
#define PUBLICATIONS 3 /* at most, of all nodes */
#endif
#ifndef KEPT
#define KEPT 2 /* history_size */
#endif
#ifndef EVENTS
#define EVENTS 3 /* promotions, demotions and restarts */
#endif
#ifndef RESTARTS
#define RESTARTS 1 /* 0: no restarts among them */
#endif
#ifndef BREAKS
#define BREAKS 1 /* of lines, by themselves */
#endif
#ifndef LEAVES
#define LEAVES 1 /* of the client, by itself */
#endif

#define NONE 2 /* no server; servers and nodes are 0 and 1 */
#define OTHER(s) (1 - (s))

/* ---- Redis ---- */

typedef data_set {
    byte writer, generation;            /* P.run, P.generation */
    byte epoch, stream_generation, top; /* P.meta.CH; epoch 0: no such key */
    byte id[PUBLICATIONS + 1];         /* P.stream.CH, by offset; 0: trimmed, or never there */
}

typedef redis {
    bool is_master;
    byte identity; /* new with each process, and each time it becomes a master: master_replid */
    data_set d;
}
redis server[2];

byte n_epochs;
byte events, breaks, leaves;

/* ---- the nodes ---- */

byte commands[2], commands_identity[2], known[2]; /* server; as greeted; P.generation as greeted */
byte heard = NONE, heard_identity;                /* the line of subscriptions of the client's node, likewise */

/* ---- the client, and its node's channel ---- */

mtype = { AWAY, HOLDING, JOINED, READ, LIVE };
mtype phase = AWAY;
byte at; /* its node */

chan line = [PUBLICATIONS] of { byte, byte, byte }; /* id, epoch, offset: on their way to the node */

byte channel_epoch, channel_top; /* struct channel */
bool missed;                     /* positions are to be compared */
bool is_checking;                /* and a position is on its way: */
byte check_epoch, check_top;

byte page_epoch, page_top, page_id[PUBLICATIONS + 1]; /* struct page */
bool is_page_short;              /* the proof's: it lacks something acknowledged of its epoch */
byte joined, joined_id[PUBLICATIONS], joined_epoch[PUBLICATIONS], joined_offset[PUBLICATIONS];
bool is_overrun;                 /* struct joiner */

/* What the client believes: that of epoch it has had everything after since, to position. */
byte epoch, since, position, seen[PUBLICATIONS + 1];

/* ---- the proof's: where each acknowledged publication was put ---- */

byte n_publications, placed_epoch[PUBLICATIONS + 1], placed_offset[PUBLICATIONS + 1];

hidden byte i, s, n, first, name, id, its_epoch, its_offset; /* scratch, within a step */
hidden byte ok;

/* No silent gap: of what it believes to have, it has each that was acknowledged. */
inline expect_no_gap() {
    for (i : 1 .. n_publications) {
        if
        :: placed_epoch[i] == epoch && placed_offset[i] > since && placed_offset[i] <= position ->
            assert(seen[placed_offset[i]] == i)
        :: else
        fi
    }
    i = 0
}

inline copy_data(to, from) {
    server[to].d.writer = server[from].d.writer;
    server[to].d.generation = server[from].d.generation;
    server[to].d.epoch = server[from].d.epoch;
    server[to].d.stream_generation = server[from].d.stream_generation;
    server[to].d.top = server[from].d.top;
    for (i : 1 .. PUBLICATIONS) {
        server[to].d.id[i] = server[from].d.id[i]
    }
    i = 0
}

inline empty_data(to) {
    server[to].d.writer = 0;
    server[to].d.generation = 0;
    server[to].d.epoch = 0;
    server[to].d.stream_generation = 0;
    server[to].d.top = 0;
    for (i : 1 .. PUBLICATIONS) {
        server[to].d.id[i] = 0
    }
    i = 0
}

inline drop_line() {
    do
    :: len(line) > 0 -> line ? id, its_epoch, its_offset
    :: else -> break
    od;
    id = 0
}

inline end_commands(node) {
    commands[node] = NONE;
    commands_identity[node] = 0;
    known[node] = 0
}

inline end_subscriptions() {
    heard = NONE;
    heard_identity = 0;
    drop_line()
}

inline end_lines_to(which) {
    for (n : 0 .. 1) {
        if
        :: commands[n] == which -> end_commands(n)
        :: else
        fi
    }
    if
    :: heard == which -> end_subscriptions()
    :: else
    fi
}

/* In both scripts, before anything else: the generation of the caller, then that of the stream. ok: it may go on. */
inline enter_script(node, which, renews) {
    ok = server[which].is_master && server[which].d.generation == known[node];
#ifdef RELAXED_STALE
    ok = server[which].is_master;
#endif
    if
    :: ok && (server[which].d.epoch == 0 || (renews && server[which].d.stream_generation != server[which].d.generation)) ->
        n_epochs++;
        server[which].d.epoch = n_epochs;
        server[which].d.stream_generation = server[which].d.generation
    :: else
    fi
}

#ifdef BROKEN_PUBLISH_GENERATION
#define PUBLISH_RENEWS false
#else
#define PUBLISH_RENEWS true
#endif
#ifdef BROKEN_READ_GENERATION
#define READ_RENEWS false
#else
#define READ_RENEWS true
#endif

/* The script of publishing, and its acknowledgement: what nobody was told of need not be kept. */
inline publish(node) {
    s = commands[node];
    enter_script(node, s, PUBLISH_RENEWS);
    if
    :: !ok -> end_commands(node) /* STALE, READONLY */
    :: else ->
        n_publications++;
        server[s].d.top++;
        server[s].d.id[server[s].d.top] = n_publications;
        if
        :: server[s].d.top > KEPT -> server[s].d.id[server[s].d.top - KEPT] = 0
        :: else
        fi;
        placed_epoch[n_publications] = server[s].d.epoch;
        placed_offset[n_publications] = server[s].d.top;
        if
        :: phase != HOLDING && heard == s ->
            line ! n_publications, server[s].d.epoch, server[s].d.top
        :: else
        fi;
        expect_no_gap()
    fi;
    s = 0
}

/* ---- leaving, and being lost: what is believed stays, to recover from ---- */

inline forget_page() {
    page_epoch = 0;
    page_top = 0;
    is_page_short = false;
    for (i : 1 .. PUBLICATIONS) {
        page_id[i] = 0
    }
    for (i : 0 .. PUBLICATIONS - 1) {
        joined_id[i] = 0;
        joined_epoch[i] = 0;
        joined_offset[i] = 0
    }
    i = 0;
    joined = 0;
    is_overrun = false
}

inline go_away() {
    phase = AWAY;
    end_subscriptions();
    at = 0;
    channel_epoch = 0;
    channel_top = 0;
    missed = false;
    is_checking = false;
    check_epoch = 0;
    check_top = 0;
    forget_page()
}

/* stream_begins() */
inline begin_stream(new_epoch) {
    if
    :: channel_epoch != 0 && phase == LIVE -> ok = false
    :: else
    fi;
    channel_epoch = new_epoch;
    channel_top = 0
}

inline take(offset, publication) {
    assert(offset == position + 1); /* none twice, none before another */
    position = offset;
    seen[offset] = publication
}

/* deliver() of daemon/channel.c. ok: nobody is lost. */
inline deliver(publication, new_epoch, offset) {
    ok = true;
    if
    :: channel_epoch != new_epoch -> begin_stream(new_epoch)
    :: else
    fi;
    if
    :: channel_top != 0 && offset <= channel_top /* a duplicate */
    :: else ->
        if
        :: phase == JOINED || phase == READ ->
            joined_id[joined] = publication;
            joined_epoch[joined] = new_epoch;
            joined_offset[joined] = offset;
            joined++
        :: else
        fi;
        channel_top = offset;
        if
#ifdef BROKEN_NEXT
        :: ok && phase == LIVE -> take(offset, publication)
#else
        :: ok && phase == LIVE && offset == position + 1 -> take(offset, publication)
        :: ok && phase == LIVE && offset > position + 1 -> ok = false
#endif
        :: else
        fi
    fi;
    if
    :: !ok -> go_away()
    :: else -> expect_no_gap()
    fi
}

/* engine_history(): all that is kept. */
inline read_page(next_phase) {
    s = commands[at];
    enter_script(at, s, READ_RENEWS);
    if
    :: !ok -> end_commands(at); go_away()
    :: else ->
        page_epoch = server[s].d.epoch;
        page_top = server[s].d.top;
        for (i : 1 .. PUBLICATIONS) {
            page_id[i] = server[s].d.id[i]
        }
        for (i : 1 .. n_publications) {
            is_page_short = is_page_short || (placed_epoch[i] == page_epoch && placed_offset[i] > page_top)
        }
        i = 0;
        phase = next_phase
    fi;
    s = 0
}

/* merge() of daemon/session/recovery.c: n: what the live ones lead on to. ok: without a hole. */
inline merge() {
    ok = !is_overrun;
    n = page_top;
    for (i : 0 .. PUBLICATIONS - 1) {
        if
        :: i < joined && joined_epoch[i] != page_epoch -> ok = false
        :: i < joined && joined_epoch[i] == page_epoch && joined_offset[i] > page_top ->
            if
            :: joined_offset[i] == n + 1 -> n++
            :: else -> ok = false
            fi
        :: else
        fi
    }
    i = 0
}

/* is_all_there(). */
inline decide() {
    first = 0;
    s = 0;
    for (i : 1 .. PUBLICATIONS) {
        if
        :: i > position && i <= page_top && page_id[i] != 0 ->
            s++;
            if
            :: first == 0 -> first = i
            :: else
            fi
        :: else
        fi
    }
    i = 0;
#ifdef BROKEN_TRIM
    ok = page_top >= position;
#else
    ok = (s == 0 && page_top == position) || (s > 0 && first == position + 1 && page_top - position == s);
#endif
#ifndef BROKEN_EPOCH
    ok = ok && epoch == page_epoch;
#endif
    ok = ok && epoch != 0;
    s = 0;
    first = 0
}

/* grant_settle(), and the client hears of it. */
inline settle() {
    merge();
    if
    :: !ok -> n = 0; go_away() /* tries again */
    :: else ->
        decide();
        if
        :: ok -> /* recovered */
            assert(!is_page_short);
            for (i : 1 .. PUBLICATIONS) {
                if
                :: i > position && i <= page_top -> seen[i] = page_id[i]
                :: else
                fi
            }
            for (i : 0 .. PUBLICATIONS - 1) {
                if
                :: i < joined && joined_offset[i] > page_top -> seen[joined_offset[i]] = joined_id[i]
                :: else
                fi
            }
            i = 0
        :: else -> /* told so: it believes nothing but what comes from here on */
            for (i : 1 .. PUBLICATIONS) {
                seen[i] = 0
            }
            i = 0;
            since = n
        fi;
        epoch = page_epoch;
        position = n;
        n = 0;
        if
        :: channel_epoch != page_epoch -> begin_stream(page_epoch)
        :: else
        fi;
        forget_page();
        phase = LIVE;
        expect_no_gap()
    fi;
    ok = false
}

/* ---- who does what, when ---- */

/* A random name is one that nobody knows. The smallest: there are fewer states. */
#define IS_IDENTITY(x)                                                                              \
    (server[0].identity == x || server[1].identity == x || server[0].d.writer == x ||               \
     server[1].d.writer == x || commands_identity[0] == x || commands_identity[1] == x ||           \
     heard_identity == x)
#define IS_GENERATION(x)                                                                            \
    (server[0].d.generation == x || server[1].d.generation == x ||                                  \
     server[0].d.stream_generation == x || server[1].d.stream_generation == x || known[0] == x ||   \
     known[1] == x)

inline new_identity(which) {
    name = 1;
    do
    :: IS_IDENTITY(name) -> name++
    :: else -> break
    od;
    server[which].identity = name;
    name = 0
}

inline promote(which) {
    events++;
    server[which].is_master = true;
#ifndef BROKEN_RUN_ID /* of the process, which stays */
    new_identity(which)
#endif
}

inline demote(which) {
    events++;
    server[which].is_master = false;
#ifndef BROKEN_DEMOTION
    end_lines_to(which)
#endif
}

inline restart(which) {
    events++;
    new_identity(which);
    end_lines_to(which)
}

proctype operator() {
end:
    do
    :: d_step { !server[0].is_master && server[1].is_master -> copy_data(0, 1) }
    :: d_step { !server[1].is_master && server[0].is_master -> copy_data(1, 0) }

    /* Nobody asks whether the master is dead, or only away from some. */
    :: d_step { events < EVENTS && !server[0].is_master -> promote(0) }
    :: d_step { events < EVENTS && !server[1].is_master -> promote(1) }

    :: d_step { events < EVENTS && server[0].is_master && server[1].is_master -> demote(0) }
    :: d_step { events < EVENTS && server[0].is_master && server[1].is_master -> demote(1) }

    /* With all it had; with what it had once, as its replica has; with nothing. */
    :: d_step { RESTARTS && events < EVENTS && server[0].is_master -> restart(0) }
    :: d_step { RESTARTS && events < EVENTS && server[1].is_master -> restart(1) }
    :: d_step { RESTARTS && events < EVENTS && server[0].is_master && !server[1].is_master -> restart(0); copy_data(0, 1) }
    :: d_step { RESTARTS && events < EVENTS && server[1].is_master && !server[0].is_master -> restart(1); copy_data(1, 0) }
    :: d_step { RESTARTS && events < EVENTS && server[0].is_master -> restart(0); empty_data(0) }
    :: d_step { RESTARTS && events < EVENTS && server[1].is_master -> restart(1); empty_data(1) }
    od
}

/* Both lines are to one process, as it was at both greetings; what else is there is ended at once. */
#define IS_PAIR (heard_identity == commands_identity[at])
#if defined(BROKEN_PAIR) || defined(BROKEN_PAIR_AT_ONCE)
#define KEEPS_PAIR false
#else
#define KEEPS_PAIR true
#endif

/* Greets a master: options.greet. */
inline greet(node, which) {
    commands[node] = which;
    commands_identity[node] = server[which].identity;
    if
    :: server[which].d.writer != server[which].identity ->
        name = 1;
        do
        :: IS_GENERATION(name) -> name++
        :: else -> break
        od;
        server[which].d.writer = server[which].identity;
        server[which].d.generation = name;
        name = 0
    :: else
    fi;
    known[node] = server[which].d.generation;
    if
    :: KEEPS_PAIR && node == at && heard != NONE && !IS_PAIR -> end_subscriptions()
    :: else
    fi
}

/* All channels are subscribed again: engine_ear.missed. */
inline resubscribe(which) {
    heard = which;
    heard_identity = server[which].identity;
#ifndef BROKEN_CHECK
    missed = phase != HOLDING
#endif
}

#define CAN_HEAR(which) \
    (server[which].is_master && (!KEEPS_PAIR || commands[self] == NONE || commands[self] == which))

proctype node(byte self) {
end:
    do
    :: d_step { n_publications < PUBLICATIONS && commands[self] != NONE -> publish(self) }

    :: d_step { commands[self] == NONE && server[0].is_master -> greet(self, 0) }
    :: d_step { commands[self] == NONE && server[1].is_master -> greet(self, 1) }
    :: d_step { phase != AWAY && self == at && heard == NONE && CAN_HEAR(0) -> resubscribe(0) }
    :: d_step { phase != AWAY && self == at && heard == NONE && CAN_HEAR(1) -> resubscribe(1) }

    :: d_step { breaks < BREAKS && commands[self] != NONE -> breaks++; end_commands(self) }
    :: d_step { breaks < BREAKS && self == at && heard != NONE -> breaks++; end_subscriptions() }

#ifdef BROKEN_PAIR_AT_ONCE
    :: d_step { self == at && commands[self] != NONE && heard != NONE && !IS_PAIR -> end_subscriptions() }
#endif
    od
}

/* daemon/keeper.c, at the client's node: what follows on missed, not what it does by the clock. */
proctype keeper() {
end:
    do
#ifdef BROKEN_CHECK_WAITS
    :: d_step { missed && phase == LIVE && commands[at] == NONE -> missed = false }
#endif
    :: d_step {
           missed && !is_checking && phase == LIVE && commands[at] != NONE ->
           s = commands[at];
           enter_script(at, s, READ_RENEWS);
           if
           :: !ok -> end_commands(at)
           :: else ->
               missed = false;
               is_checking = true;
               check_epoch = server[s].d.epoch;
               check_top = server[s].d.top
           fi;
           s = 0;
           ok = false
       }
    :: d_step {
           missed && (phase == JOINED || phase == READ) ->
           missed = false;
#ifndef BROKEN_JOINERS
           is_overrun = true
#endif
       }

    /* channel_check() */
    :: d_step {
           is_checking ->
           ok = true;
           if
           :: channel_epoch != check_epoch -> begin_stream(check_epoch)
           :: else -> ok = position >= check_top
           fi;
           is_checking = false;
           check_epoch = 0;
           check_top = 0;
           if
           :: !ok -> go_away()
           :: else
           fi;
           ok = false
       }
    od
}

proctype client() {
end:
    do
    :: d_step { phase == AWAY -> at = 0; phase = HOLDING }
    :: d_step { phase == AWAY -> at = 1; phase = HOLDING }
#ifdef BROKEN_ATTACH
    :: d_step { phase == HOLDING && commands[at] != NONE && page_epoch == 0 -> read_page(HOLDING); ok = false }
    :: d_step { phase == HOLDING && heard != NONE && page_epoch != 0 -> phase = READ }
#else
    :: d_step { phase == HOLDING && heard != NONE -> phase = JOINED }
    :: d_step { phase == JOINED && commands[at] != NONE -> read_page(READ); ok = false }
#endif
    :: d_step { phase == READ -> settle() }
    :: d_step { nempty(line) -> line ? id, its_epoch, its_offset; deliver(id, its_epoch, its_offset) }
    :: d_step { phase != AWAY && leaves < LEAVES -> leaves++; go_away() }
    od
}

/* When its lines are up and nothing is on its way, who is live has all there is. */
#ifdef BROKEN_PAIR
#define IS_SETTLED true
#else
#define IS_SETTLED IS_PAIR
#endif
#define IS_QUIET                                                                                    \
    (phase == LIVE && empty(line) && !missed && !is_checking && heard != NONE && commands[at] != NONE && IS_SETTLED)

#define IS_MISSED(k) (placed_epoch[k] == epoch && placed_offset[k] > position)
#if PUBLICATIONS == 2
#define IS_ANY_MISSED (IS_MISSED(1) || IS_MISSED(2))
#elif PUBLICATIONS == 3
#define IS_ANY_MISSED (IS_MISSED(1) || IS_MISSED(2) || IS_MISSED(3))
#endif

proctype witness() {
end:
    d_step { IS_QUIET && server[commands[at]].is_master && (IS_ANY_MISSED || server[commands[at]].d.top != position) -> assert(false) }
}

init {
    atomic {
        server[0].is_master = true;
        server[0].identity = 1;
        server[1].identity = 2;
        for (i : 0 .. 1) {
            server[i].d.writer = 1;
            server[i].d.generation = 1;
            commands[i] = 0;
            commands_identity[i] = 1;
            known[i] = 1
        }
        i = 0;
        run operator();
        run node(0);
        run node(1);
        run keeper();
        run client();
        run witness()
    }
}
