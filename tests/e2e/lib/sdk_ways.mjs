// The transports and encodings an application can choose between in centrifuge-js. Each: the endpoint made of the WebSocket's
// URL, the build of the SDK, and the cases that make no sense over it. Runs in Node and in a browser.
const http = (url) => url.replace(/^ws/, 'http');
const at = (url, path) => http(url).replace('/connection/websocket', path);

// Only of a WebSocket: elsewhere a message that is too large only fails its request, and requests that nobody waits for may
// overtake each other.
const OF_WEBSOCKET = ['is sent away for a message that is too large', 'keeps the order of publishes it does not wait for'];

const streamed = (transport, path) => ({
    endpoint: (url) => [{ transport, endpoint: at(url, path) }],
    options: (url) => ({ emulationEndpoint: at(url, '/emulation') }),
    without: OF_WEBSOCKET,
});

const websocket = { endpoint: (url) => url, options: () => ({}), without: [] };
const stream = streamed('http_stream', '/connection/http_stream');

export const ways = {
    'WebSocket, JSON': websocket,
    'WebSocket, Protobuf': { ...websocket, isBinary: true },
    'HTTP streaming, JSON': stream,
    'HTTP streaming, Protobuf': { ...stream, isBinary: true },
    'SSE': streamed('sse', '/connection/sse'),
};

// An application that speaks JSON through the Protobuf build, whose payloads are bytes.
const encode = (value) => new TextEncoder().encode(JSON.stringify(value));
const decode = (bytes) => JSON.parse(new TextDecoder().decode(bytes));

const decodeInfo = (info) => {
    if (info?.connInfo?.length) info.connInfo = decode(info.connInfo);
    if (info?.chanInfo?.length) info.chanInfo = decode(info.chanInfo);
};

function decodePage(page) {
    for (const one of page.publications) one.data = decode(one.data);
    return page;
}

function decodePresence(presence) {
    Object.values(presence.clients).forEach(decodeInfo);
    return presence;
}

// What is called on a subscription is passed on to its client.
function wrapSubscription(subscription) {
    // The first listener: those behind it see what it has made of the event.
    subscription.on('publication', (publication) => { publication.data = decode(publication.data); });
    return subscription;
}

export function speakJson(Centrifuge) {
    return class extends Centrifuge {
        newSubscription(channel, options) { return wrapSubscription(super.newSubscription(channel, options)); }
        publish(channel, data) { return super.publish(channel, encode(data)); }
        send(data) { return super.send(encode(data)); }
        async rpc(method, data) { return { data: decode((await super.rpc(method, encode(data))).data) }; }
        async history(channel, options) { return decodePage(await super.history(channel, options)); }
        async presence(channel) { return decodePresence(await super.presence(channel)); }
    };
}
