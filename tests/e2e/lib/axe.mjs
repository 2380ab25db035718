// axe-core on a page, which must find nothing, and nothing that its policy would refuse.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';

const AXE = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

// What axe-core finds against WCAG 2.2 A and AA, and its best practices.
async function violations(page) {
    // As the browser's tools run code: the page's policy, which lets no such script in, is not weakened.
    await page.evaluate(AXE);
    const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
    return found.violations.map(
        ({ id, nodes }) =>
            `${id}: ${nodes
                .map(
                    ({ target, failureSummary }) =>
                        `${target.join(' ')} ${failureSummary.split('\n').slice(1, 2).join('').trim()}`,
                )
                .slice(0, 4)
                .join(' | ')}`,
    );
}

const inline = (page) =>
    page.evaluate(() =>
        [...document.querySelectorAll('[onclick], [onload], [onerror], script:not([src]), style')].map((one) =>
            one.outerHTML.slice(0, 100),
        ),
    );

export async function isSound(page, name) {
    // Nothing in the middle of an animation has its colours.
    await page.evaluate(() =>
        Promise.all(
            document
                .getAnimations()
                .filter((one) => one.effect?.getTiming().iterations !== Infinity)
                .map((one) => one.finished.catch(() => {})),
        ),
    );
    assert.deepEqual(await violations(page), [], name);
    assert.deepEqual(await inline(page), [], name);
}
