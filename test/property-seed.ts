/**
 * Loaded before every test file: with CI set, property tests draw the same cases in every run, so that a change is judged
 * by what it changed. Without it each run draws its own and so keeps looking; a failure prints the seed to try again with.
 */
import fc from "fast-check";

const CI_SEED = 20_261_120;

if (process.env.CI !== undefined) fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: CI_SEED });
