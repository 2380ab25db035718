// A line chart on a canvas. Colours come from the style sheet, so that it follows the theme.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { formatNumber, niceTicks, paddedRange, timeTicks } from '../logic/scale.js';

const LEFT = 52,
    RIGHT = 16,
    TOP = 12,
    BOTTOM = 26;
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const SECONDS = new Intl.DateTimeFormat(undefined, {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
});

export function Chart({ view, names, label }) {
    const canvas = useRef();
    const place = useRef();
    const [size, setSize] = useState({ width: 0, height: 0 });
    const [at, setAt] = useState(null); // index of the point under the pointer or the keyboard's cursor
    const [theme, setTheme] = useState(0);

    useEffect(() => {
        const watch = new ResizeObserver(([{ contentRect }]) =>
            setSize({ width: contentRect.width, height: contentRect.height }),
        );
        watch.observe(place.current);
        const recolour = () => setTheme((n) => n + 1);
        const media = matchMedia('(prefers-color-scheme: dark)');
        window.addEventListener('themechange', recolour);
        media.addEventListener('change', recolour);
        return () => {
            watch.disconnect();
            window.removeEventListener('themechange', recolour);
            media.removeEventListener('change', recolour);
        };
    }, []);

    const geometry = geometryOf(view, names, size);
    const cursor = at !== null && view.points[at] ? at : null;
    useLayoutEffect(() => {
        if (size.width) draw(canvas.current, view, names, geometry, size, cursor);
    }, [view, names, size, cursor, theme]);

    const point = (event) => {
        const x = event.clientX - place.current.getBoundingClientRect().left;
        let best = null,
            distance = Infinity;
        view.xs.forEach((value, i) => {
            const away = Math.abs(geometry.x(value) - x);
            if (away < distance) {
                best = i;
                distance = away;
            }
        });
        setAt(best);
    };
    const move = (event) => {
        const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity }[
            event.key
        ];
        if (event.key === 'Escape') setAt(null);
        if (!step || !view.points.length) return;
        event.preventDefault();
        setAt(
            Math.max(0, Math.min(view.points.length - 1, (cursor ?? view.points.length - (step < 0 ? 0 : 1)) + step)),
        );
    };
    const chosen = cursor === null ? null : view.points[cursor];
    const cursorX = chosen ? geometry.x(view.xs[cursor]) : 0;
    const isRight = cursorX > size.width / 2;
    return (
        <div
            class="chart"
            ref={place}
            tabindex={0}
            role="img"
            aria-label={label}
            onPointerMove={point}
            onPointerDown={point}
            onPointerLeave={() => setAt(null)}
            onKeyDown={move}
            onBlur={() => setAt(null)}>
            <canvas ref={canvas} />
            <p
                class={`readout ${isRight ? 'is-left' : ''}`}
                role="status"
                hidden={!chosen}
                style={{ left: `${cursorX + (isRight ? -14 : 14)}px` }}>
                {chosen && (
                    <>
                        <span class="readout-time">
                            {chosen.at ? SECONDS.format(chosen.at) : `message ${chosen.offset ?? cursor + 1}`}
                        </span>
                        {names
                            .filter((name) => chosen.values[name] !== undefined)
                            .map((name) => (
                                <span key={name} class="readout-value">
                                    {name && `${name} `}
                                    <b>{formatNumber(chosen.values[name])}</b>
                                </span>
                            ))}
                        {!names.some((name) => chosen.values[name] !== undefined) && <span>no number</span>}
                    </>
                )}
            </p>
        </div>
    );
}

function geometryOf(view, names, { width, height }) {
    const values = view.points.flatMap((point) =>
        names.map((name) => point.values[name]).filter((value) => value !== undefined),
    );
    const [low, high] = paddedRange(values);
    const inside = { width: Math.max(1, width - LEFT - RIGHT), height: Math.max(1, height - TOP - BOTTOM) };
    return {
        low,
        high,
        x: (value) => LEFT + ((value - view.from) / (view.to - view.from || 1)) * inside.width,
        y: (value) => TOP + (1 - (value - low) / (high - low)) * inside.height,
    };
}

function draw(canvas, view, names, { low, high, x, y }, { width, height }, cursor) {
    const scale = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const style = getComputedStyle(canvas);
    const color = (name) => style.getPropertyValue(`--${name}`).trim();
    const context = canvas.getContext('2d');
    context.scale(scale, scale);
    context.font = `12px ${style.fontFamily}`;
    context.lineJoin = context.lineCap = 'round';

    const yTicks = niceTicks(low, high, Math.max(2, height / 60));
    const step = yTicks.length > 1 ? yTicks[1] - yTicks[0] : 0;
    context.strokeStyle = color('line');
    context.fillStyle = color('muted');
    context.lineWidth = 1;
    context.textAlign = 'right';
    context.textBaseline = 'middle';
    for (const tick of yTicks) {
        const at = Math.round(y(tick)) + 0.5;
        stroke(context, [
            [LEFT, at],
            [width - RIGHT, at],
        ]);
        context.fillText(formatNumber(tick, step), LEFT - 8, at);
    }
    context.textAlign = 'center';
    context.textBaseline = 'top';
    const about = Math.max(2, Math.min(8, width / 110));
    if (view.axis === 'time') {
        const { ticks, step: every } = timeTicks(
            view.from,
            view.to,
            about,
            -new Date(view.to).getTimezoneOffset() * 60_000,
        );
        const format = every < 60_000 ? SECONDS : CLOCK;
        for (const tick of ticks) context.fillText(format.format(tick), inside(x(tick), width), height - BOTTOM + 8);
    } else {
        for (const tick of niceTicks(view.from, view.to, about)) {
            const point = view.points[tick];
            if (Number.isInteger(tick) && point)
                context.fillText(`no. ${point.offset ?? tick + 1}`, inside(x(tick), width), height - BOTTOM + 8);
        }
    }

    context.save();
    context.beginPath();
    context.rect(LEFT - 1, 0, width - LEFT - RIGHT + 6, height - BOTTOM + 2);
    context.clip();
    names.forEach((name, index) => {
        const runs = runsOf(view, name, x, y, width);
        context.strokeStyle = context.fillStyle = color(`series-${index}`);
        context.lineWidth = 2;
        for (const run of runs) {
            if (names.length === 1) {
                context.globalAlpha = 0.12;
                context.beginPath();
                context.moveTo(run[0][0], height - BOTTOM);
                for (const [px, py] of run) context.lineTo(px, py);
                context.lineTo(run.at(-1)[0], height - BOTTOM);
                context.fill();
                context.globalAlpha = 1;
            }
            if (run.length > 1) stroke(context, run);
            else dot(context, run[0], 2.5);
        }
        const newest = runs.at(-1)?.at(-1);
        if (newest && cursor === null) dot(context, newest, 4);
    });
    if (cursor !== null) {
        const at = x(view.xs[cursor]);
        context.strokeStyle = color('muted');
        context.lineWidth = 1;
        stroke(context, [
            [at, TOP],
            [at, height - BOTTOM],
        ]);
        names.forEach((name, index) => {
            const value = view.points[cursor].values[name];
            context.fillStyle = color(`series-${index}`);
            if (value !== undefined) dot(context, [at, y(value)], 4.5);
        });
    }
    context.restore();
}

const inside = (x, width) => Math.max(LEFT + 4, Math.min(width - RIGHT - 18, x));

function stroke(context, points) {
    context.beginPath();
    points.forEach(([px, py], i) => (i ? context.lineTo(px, py) : context.moveTo(px, py)));
    context.stroke();
}

function dot(context, [px, py], radius) {
    context.beginPath();
    context.arc(px, py, radius, 0, Math.PI * 2);
    context.fill();
}

// The line's points in pixels, interrupted where something may be missing. Where many fall on one pixel its lowest
// and highest stand for them, so that no peak is lost.
function runsOf(view, name, x, y, width) {
    const runs = [];
    let run = null,
        column = null;
    const flush = () => {
        if (!column) return;
        run.push([column.x, column.first]);
        if (column.n > 2) run.push([column.x, column.min], [column.x, column.max]);
        if (column.n > 1) run.push([column.x, column.last]);
        column = null;
    };
    const isDense = view.points.length > width * 1.5;
    view.points.forEach((point, i) => {
        if (point.breaks && run) {
            flush();
            run = null;
        }
        const value = point.values[name];
        if (value === undefined) return;
        if (!run) runs.push((run = []));
        const px = x(view.xs[i]),
            py = y(value);
        if (!isDense) {
            run.push([px, py]);
            return;
        }
        const whole = Math.round(px);
        if (column && column.x !== whole) flush();
        column ??= { x: whole, n: 0, first: py, min: py, max: py };
        Object.assign(column, {
            n: column.n + 1,
            last: py,
            min: Math.min(column.min, py),
            max: Math.max(column.max, py),
        });
    });
    if (run) flush();
    return runs.filter((one) => one.length);
}
