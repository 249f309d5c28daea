#[test]
#[ignore = "compiles the dependencies once more: cargo xtask ci"]
fn a_pool_where_a_transaction_is_asked_for_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
