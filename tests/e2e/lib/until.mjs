// Asks until the answer is true, or it is late; resolves to the answer.
const PAUSE_MS = 20;

export async function until(is, what, late_ms = 30_000) {
    for (const late = Date.now() + late_ms; Date.now() < late; await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))) {
        const found = await is();
        if (found) return found;
    }
    throw new Error(`it did not come to that: ${what}`);
}
