// Files of a message: pictures as pictures, everything else to be saved.
import { useState } from 'preact/hooks';
import { sizeOf } from '../logic/text.js';
import { DownloadIcon, FileIcon } from './icons.jsx';
import { openDialog } from './overlay.jsx';

const IMAGE = /^image\/(?:png|jpeg|gif|webp)$/;
const BOX = { width: 420, height: 320 };

export const isImage = (file) => IMAGE.test(file.type);

// tab: whether they are in the tab order, which only those of one message are.
export function Attachments({ files, url, tab }) {
    return (
        <ul class="attachments" aria-label="Files">
            {files.map((file) => (
                <li key={file.id}>
                    {isImage(file) ? (
                        <Picture file={file} url={url(file)} tab={tab} />
                    ) : (
                        <Download file={file} url={url(file)} tab={tab} />
                    )}
                </li>
            ))}
        </ul>
    );
}

// As large as it will be shown, so that nothing moves when it has arrived.
function sizeIn({ width, height }) {
    if (!width || !height) return {};
    const scale = Math.min(1, BOX.width / width, BOX.height / height);
    return { width: Math.round(width * scale), height: Math.round(height * scale) };
}

function Picture({ file, url, tab }) {
    const [hasFailed, setFailed] = useState(false);
    if (hasFailed) return <Download file={file} url={url} tab={tab} note="The picture could not be shown." />;
    const show = () =>
        openDialog(
            file.name,
            () => (
                <figure class="lightbox">
                    <img src={url} alt={file.name} />
                    <figcaption>
                        <bdi>{file.name}</bdi> <span class="quiet">{sizeOf(file.size)}</span>
                        <a class="button" href={url} download={file.name}>
                            <DownloadIcon />
                            Save
                        </a>
                    </figcaption>
                </figure>
            ),
            { kind: 'lightbox-dialog' },
        );
    return (
        <button
            type="button"
            class="picture"
            tabindex={tab}
            onClick={show}
            aria-label={`Open the picture ${file.name}`}>
            <img
                src={url}
                alt={file.name}
                loading="lazy"
                decoding="async"
                {...sizeIn(file)}
                onError={() => setFailed(true)}
            />
        </button>
    );
}

function Download({ file, url, tab, note }) {
    return (
        <a class="file" tabindex={tab} href={url} download={file.name}>
            <FileIcon />
            <span class="file-words">
                <bdi class="file-name">{file.name}</bdi>
                <span class="quiet">{note ?? sizeOf(file.size)}</span>
            </span>
            <DownloadIcon />
        </a>
    );
}
