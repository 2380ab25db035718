import { askEndpoint, parseOrNull, tokenOf } from './auth.js';
import { ChatError, errorOfAnswer } from './error.js';

const OTHER = 'application/octet-stream';
const PIECE = 64 * 1024;

// POST /files. Browsers say how far they are only of an XMLHttpRequest; elsewhere the bytes are counted as they are taken.
export async function upload({ url, fetch, token }, file, { name, type, signal, onProgress } = {}) {
    const blob = file instanceof Blob ? file : new Blob([file]);
    const target = `${url}/files?name=${encodeURIComponent(name ?? file.name ?? 'file')}`;
    const headers = { 'Content-Type': (type ?? blob.type) || OTHER };
    signal?.throwIfAborted();
    const answer =
        onProgress && globalThis.XMLHttpRequest
            ? await byRequest(target, blob, { headers, token, signal, onProgress })
            : await askEndpoint({ fetch, token }, target, {
                  method: 'POST',
                  headers: onProgress ? { ...headers, 'Content-Length': String(blob.size) } : headers,
                  body: onProgress ? counted(blob, onProgress) : blob,
                  ...(onProgress ? { duplex: 'half' } : {}),
                  ...(signal ? { signal } : {}),
              });
    return answer.attachment;
}

function counted(blob, onProgress) {
    let sent = 0;
    return new ReadableStream(
        {
            async pull(controller) {
                const piece = new Uint8Array(await blob.slice(sent, sent + PIECE).arrayBuffer());
                if (!piece.length) return controller.close();
                sent += piece.length;
                controller.enqueue(piece);
                onProgress(sent, blob.size);
            },
        },
        { highWaterMark: 0 },
    );
}

async function byRequest(url, blob, { headers, token, signal, onProgress }) {
    const bearer = await tokenOf(token);
    return new Promise((resolve, reject) => {
        const request = new globalThis.XMLHttpRequest();
        request.open('POST', url);
        for (const [header, value] of Object.entries(headers)) request.setRequestHeader(header, value);
        if (bearer) request.setRequestHeader('Authorization', `Bearer ${bearer}`);
        const abort = () => request.abort();
        signal?.addEventListener('abort', abort, { once: true });
        request.upload.onprogress = ({ loaded, total, lengthComputable }) => onProgress(loaded, lengthComputable ? total : undefined);
        request.onload = () => {
            const body = parseOrNull(request.responseText);
            if (request.status >= 200 && request.status < 300) resolve(body ?? {});
            else reject(errorOfAnswer(request.status, body, request.getResponseHeader('Retry-After')));
        };
        request.onerror = () => reject(new ChatError(0, 'offline', { message: 'the upload broke', temporary: true }));
        request.onabort = () => reject(signal?.reason ?? new DOMException('aborted', 'AbortError'));
        request.onloadend = () => signal?.removeEventListener('abort', abort);
        request.send(blob);
    });
}
