/** Something the user can act on: one line, what was tried, why it failed, what to do. */
export class LabError extends Error {
  override readonly name = 'LabError';
}

/** This kernel or machine cannot make the scenario; the message says why. */
export class UnsupportedScenario extends LabError {}
