import { useEffect, useMemo, useState } from 'preact/hooks';
import { websocketUrl } from '../logic/route.js';
import { formatNumber } from '../logic/scale.js';
import { namesOf, rateOf, summaryOf, viewOf } from '../logic/series.js';
import { Feed } from '../net/feed.js';
import { FeedBanner } from './feedbanner.jsx';
import { Chart } from './chart.jsx';
import { Command, CopyButton } from './copy.jsx';
import { FeedHead } from './feedhead.jsx';
import { useNow, useObservable } from './hooks.js';
import { AlertIcon, LinkIcon, PlayIcon, StopIcon } from './icons.jsx';

const SPANS = [
    ['1 min', 60_000],
    ['5 min', 300_000],
    ['1 h', 3_600_000],
    ['All', 0],
];
const TIME = new Intl.DateTimeFormat(undefined, {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
});
const SHOWN_MAX = 40;

// Where `parley` finds this server; nothing to say when it is the one it would take by itself.
function serverOption() {
    const isDefault = /^(?:127\.0\.0\.1|localhost):8000$/.test(location.host) && location.pathname === '/';
    return isDefault ? '' : ` --url ${websocketUrl(document.baseURI)}`;
}

export function FeedView({ connection, name, isWide, onMenu }) {
    const source = useMemo(() => new Feed(connection, name), [connection, name]);
    const { status, refusal, feed, arrivals, isGenerating, trouble, mayMiss } = useObservable(source);
    const [span, setSpan] = useState(SPANS[0][1]);
    const now = useNow(500);

    useEffect(() => {
        source.open();
        return () => source.close();
    }, [source]);
    useEffect(() => {
        document.title = `${source.channel} · Parley`;
    }, [source]);

    const names = useMemo(() => namesOf(feed.points.slice(-500)), [feed]);
    const view = useMemo(() => viewOf(feed.points, span, now), [feed, span, now]);
    const isEmpty = status === 'open' && !feed.points.length;
    const generate = (
        <button
            type="button"
            class={`button ${isEmpty ? 'primary' : ''}`}
            aria-pressed={isGenerating}
            onClick={() => (isGenerating ? source.stopGenerating() : source.startGenerating())}>
            {isGenerating ? <StopIcon /> : <PlayIcon />}
            <span class="button-text">
                {isGenerating ? 'Stop sample data' : isEmpty ? 'Send sample data' : 'Sample data'}
            </span>
        </button>
    );
    const command = `parley pub${serverOption()} ${source.channel}`;
    return (
        <main class="main">
            <FeedHead
                {...{ connection, isWide, onMenu }}
                title={source.channel}
                detail={isGenerating ? 'Sample data from this window' : 'Live'}>
                {!isEmpty && status === 'open' && generate}
                <CopyButton text={location.href} label="Copy the link to this feed" icon={LinkIcon} class="button">
                    Share link
                </CopyButton>
            </FeedHead>
            <FeedBanner connection={connection} keeps="What comes meanwhile is caught up on." />
            {trouble && (
                <p class="strip" role="alert">
                    <AlertIcon />
                    {trouble}
                </p>
            )}
            {mayMiss && (
                <p class="strip" role="status">
                    <AlertIcon />
                    The line breaks where the server could not say what came meanwhile.
                </p>
            )}
            {status === 'refused' ? (
                <div class="refused" role="alert">
                    <AlertIcon />
                    <h2>{source.channel} can’t be opened</h2>
                    <p>{refusal}</p>
                </div>
            ) : status === 'joining' && !feed.points.length ? (
                <div class="feed" aria-busy="true" />
            ) : isEmpty ? (
                <div class="feed-empty">
                    <h2>Nothing on {source.channel} yet</h2>
                    <p class="quiet">
                        Publish numbers, or JSON objects with numbers in them, and they are drawn here as they arrive.
                    </p>
                    <Command text={`${command} 21.5`} />
                    <p class="quiet">A line of standard input is a message, so anything that prints can be followed:</p>
                    <Command text={`while vmstat 1 2 | awk 'END {print 100-$15}'; do :; done | ${command} -`} />
                    <p class="fine">
                        <code>parley</code> is built beside <code>parleyd</code>; after <code>./run</code> it is{' '}
                        <code>build/release/bin/parley</code>.
                    </p>
                    <p class="quiet">No terminal at hand?</p>
                    {generate}
                </div>
            ) : (
                <div class="feed" aria-busy={status === 'joining'}>
                    <Figures {...{ view, names, feed, rate: rateOf(arrivals, now) }} />
                    <div class="panel">
                        <div class="panel-head">
                            <Legend names={names} />
                            <div class="spans" role="group" aria-label="How much of the feed to show">
                                {SPANS.map(([label, ms]) => (
                                    <button
                                        key={label}
                                        type="button"
                                        aria-pressed={span === ms}
                                        onClick={() => setSpan(ms)}>
                                        {label}
                                    </button>
                                ))}
                            </div>
                        </div>
                        <Chart view={view} names={names} label={chartLabel(source.channel, view, names)} />
                    </div>
                    <Newest points={feed.points} />
                </div>
            )}
        </main>
    );
}

function chartLabel(channel, view, names) {
    const said = names
        .map((name) => {
            const summary = summaryOf(view.points, name);
            return (
                summary &&
                `${name || 'value'} now ${formatNumber(summary.last)}, between ${formatNumber(summary.min)} and ${formatNumber(summary.max)}`
            );
        })
        .filter(Boolean);
    return `Line chart of ${channel}: ${said.join('; ') || 'no numbers yet'}. Arrow keys move along it.`;
}

function Figures({ view, names, feed, rate }) {
    const main = names[0];
    const latest = feed.points.findLast((point) => point.values[main] !== undefined)?.values[main] ?? null;
    const summary = main === undefined ? null : summaryOf(view.points, main);
    const change = summary && summary.n > 1 ? summary.last - summary.first : null;
    return (
        <dl class="figures">
            <div class="figure is-main">
                <dt>Latest{main ? ` ${main}` : ''}</dt>
                <dd>
                    {formatNumber(latest)}
                    {change !== null && (
                        <span class="change" title="Since the left edge of the chart">
                            {change > 0 ? '▲' : change < 0 ? '▼' : '■'} {formatNumber(Math.abs(change))}
                        </span>
                    )}
                </dd>
            </div>
            <div class="figure">
                <dt>Lowest</dt>
                <dd>{formatNumber(summary?.min)}</dd>
            </div>
            <div class="figure">
                <dt>Mean</dt>
                <dd>{formatNumber(summary?.mean)}</dd>
            </div>
            <div class="figure">
                <dt>Highest</dt>
                <dd>{formatNumber(summary?.max)}</dd>
            </div>
            <div class="figure">
                <dt>Messages a second</dt>
                <dd>{rate === 0 || rate >= 10 ? Math.round(rate) : rate.toFixed(1)}</dd>
            </div>
        </dl>
    );
}

function Legend({ names }) {
    if (names.length < 2) return <span class="legend">{names[0] || ''}</span>;
    return (
        <ul class="legend">
            {names.map((name, i) => (
                <li key={name}>
                    <span class={`swatch series-${i}`} aria-hidden="true" />
                    {name}
                </li>
            ))}
        </ul>
    );
}

function Newest({ points }) {
    const newest = points.slice(-SHOWN_MAX).reverse();
    const silent = points.filter((point) => !Object.keys(point.values).length).length;
    return (
        <section class="newest">
            <h2>Newest messages</h2>
            {silent > 0 && (
                <p class="quiet">
                    {silent} of {points.length} {silent === 1 ? 'has' : 'have'} no number to draw.
                </p>
            )}
            <table>
                <thead class="vh">
                    <tr>
                        <th scope="col">Number</th>
                        <th scope="col">Time</th>
                        <th scope="col">Data</th>
                    </tr>
                </thead>
                <tbody>
                    {newest.map((point, i) => (
                        <tr key={point.offset ? `${point.era}.${point.offset}` : points.length - i}>
                            <td class="newest-offset">{point.offset ?? ''}</td>
                            <td>{point.at ? TIME.format(point.at) : 'earlier'}</td>
                            <td>
                                <code>{JSON.stringify(point.data)?.slice(0, 300)}</code>
                            </td>
                        </tr>
                    ))}
                </tbody>
            </table>
        </section>
    );
}
