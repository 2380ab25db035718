// What a fault test says as it goes, and how it ends.
let failures = 0;

export function expect(holds, what) {
    console.log(`${holds ? 'ok' : 'NOT OK'}: ${what}`);
    if (!holds) failures++;
}

export const exitCode = () => (failures ? 1 : 0);

// Skipped without root, which is a failure where CI=true.
export function needRoot(why) {
    if (process.getuid() === 0) return;
    console.error(`skipped: ${why} needs root`);
    process.exit(process.env.CI === 'true' ? 1 : 77);
}
