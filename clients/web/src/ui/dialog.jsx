import { useLayoutEffect, useRef } from 'preact/hooks';
import { CloseIcon } from './icons.jsx';

// A modal <dialog>: the browser keeps the focus inside and gives it back. above: what lies over it, and is not dead meanwhile.
export function Dialog({ title, onClose, children, above = null, kind = '', canClose = true }) {
    const ref = useRef();
    // Open before its children's effects: they may want the focus.
    useLayoutEffect(() => {
        const dialog = ref.current;
        if (!dialog.open) dialog.showModal();
        return () => dialog.close();
    }, []);
    return (
        <dialog
            ref={ref}
            class={`dialog ${kind}`}
            aria-label={title}
            onCancel={(event) => {
                event.preventDefault();
                if (canClose) onClose();
            }}
            onMouseDown={(event) => {
                if (canClose && event.target === ref.current) onClose();
            }}>
            <div class="dialog-body">
                {canClose && (
                    <button class="icon-button dialog-close" type="button" aria-label="Close" onClick={onClose}>
                        <CloseIcon />
                    </button>
                )}
                {children}
            </div>
            {above}
        </dialog>
    );
}
