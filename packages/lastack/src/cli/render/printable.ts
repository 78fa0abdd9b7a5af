export { printable } from '@lastack/core';
