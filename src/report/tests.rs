pub fn plain(t: &str) -> String {
    anstream::adapter::strip_str(t).to_string()
}
