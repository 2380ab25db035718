// One's own picture: chosen, cut to a square, sent up; or taken away.
import { useRef, useState } from 'preact/hooks';
import { explain } from '../logic/errors.js';
import { Avatar } from './avatar.jsx';
import { toast } from './overlay.jsx';

const SIDE_PX = 256; // it is shown at 72 at the most, on screens of up to three pixels each
const TYPES = 'image/png,image/jpeg,image/gif,image/webp';

// The middle of a picture, as a square. Drawn anew, so that nothing of where and when it was taken goes along.
async function squareOf(file) {
    const image = await createImageBitmap(file);
    const side = Math.min(image.width, image.height);
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = Math.min(SIDE_PX, side);
    const pen = canvas.getContext('2d');
    pen.imageSmoothingQuality = 'high';
    pen.drawImage(
        image,
        (image.width - side) / 2,
        (image.height - side) / 2,
        side,
        side,
        0,
        0,
        canvas.width,
        canvas.height,
    );
    image.close();
    // Browsers that cannot write WebP write PNG.
    return new Promise((resolve, reject) =>
        canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('nothing was drawn'))), 'image/webp', 0.9),
    );
}

export function OwnFace({ chat, me, name }) {
    const input = useRef();
    const [isBusy, setBusy] = useState(false);
    const change = async (work, done) => {
        setBusy(true);
        try {
            await chat.updateMe({ avatar: await work() });
            toast(done);
        } catch (error) {
            toast(error.isPicture ? error.message : explain(error), 'bad');
        }
        setBusy(false);
    };
    const take = (file) =>
        change(async () => {
            const square = await squareOf(file).catch(() => {
                throw Object.assign(new Error('That file could not be read as a picture.'), { isPicture: true });
            });
            const { id } = await chat.upload(square, { name: 'avatar', type: square.type });
            return id;
        }, 'Your picture is changed.');
    return (
        <div class="own-face" aria-busy={isBusy}>
            <Avatar user={{ ...me, name }} size="is-large" />
            <div class="own-face-words">
                <p class="label" id="own-face-label">
                    Picture
                </p>
                <div class="buttons is-left" role="group" aria-labelledby="own-face-label">
                    <button type="button" class="button" disabled={isBusy} onClick={() => input.current.click()}>
                        {me.avatar ? 'Choose another…' : 'Choose a picture…'}
                    </button>
                    {me.avatar && (
                        <button
                            type="button"
                            class="button"
                            disabled={isBusy}
                            onClick={() => change(async () => '', 'Your picture is removed.')}>
                            Remove
                        </button>
                    )}
                </div>
                <p class="fine">{isBusy ? 'One moment…' : 'Everybody here sees it. It is cut to a square.'}</p>
            </div>
            <input
                ref={input}
                type="file"
                class="vh"
                tabindex={-1}
                accept={TYPES}
                aria-label="A picture of yourself"
                onChange={(event) => {
                    const [file] = event.currentTarget.files;
                    event.currentTarget.value = '';
                    if (file) take(file);
                }}
            />
        </div>
    );
}
