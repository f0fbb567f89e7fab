import tseslint from "typescript-eslint";

export default tseslint.config({ ignores: ["*.mjs", "src/api-types.ts"] }, tseslint.configs.strictTypeChecked, {
  languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
  linterOptions: { reportUnusedDisableDirectives: "error" },
  rules: {
    "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
    "@typescript-eslint/no-floating-promises": [
      "error",
      { allowForKnownSafeCalls: [{ from: "package", package: "node:test", name: "test" }] },
    ],
    // A template says which elements it has: find<HTMLInputElement>(…).
    "@typescript-eslint/no-unnecessary-type-parameters": "off",
    "@typescript-eslint/restrict-template-expressions": ["error", { allowBoolean: true, allowNumber: true }],
  },
});
