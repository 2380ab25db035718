// In place of the package of this name: "&amp;" is what somebody wrote, and stays it.
export const decodeNamedCharacterReference = () => false;
