// Other windows of this browser.
const CHANNEL = 'parley.windows';
const ANSWER_MS = 80;

export function isNameInUse() {
    if (!('BroadcastChannel' in window)) return Promise.resolve(false);
    return new Promise((resolve) => {
        const channel = new BroadcastChannel(CHANNEL);
        const end = (answer) => {
            channel.close();
            resolve(answer);
        };
        channel.onmessage = ({ data }) => data === 'here' && end(true);
        channel.postMessage('anybody?');
        setTimeout(() => end(false), ANSWER_MS);
    });
}

export function tellOtherWindows() {
    if (!('BroadcastChannel' in window)) return undefined;
    const channel = new BroadcastChannel(CHANNEL);
    channel.onmessage = ({ data }) => data === 'anybody?' && channel.postMessage('here');
    return () => channel.close();
}
