//! The `instance` label: the host name of a node, made unique.

use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::sync::Arc;

/// Names of nodes as series have them.
#[derive(Debug, Default)]
pub(crate) struct Instances {
    /// By the node's identity: its host name when the name was given, and the name.
    given: HashMap<Arc<str>, (Arc<str>, Arc<str>)>,
    /// Who has a name.
    taken: HashMap<Arc<str>, Arc<str>>,
    /// Since it was last put into text.
    has_changed: bool,
}

impl Instances {
    /// The names as they were put into text, of the nodes that are `wanted`: of two hosts of one name,
    /// each has to stay what it was.
    ///
    /// # Errors
    /// When it is no such text.
    pub(crate) fn read(text: &[u8], wanted: impl Fn(&str) -> bool) -> serde_json::Result<Instances> {
        let all: BTreeMap<String, (String, String)> = serde_json::from_slice(text)?;
        let mut instances = Instances::default();
        for (node_id, (hostname, name)) in all {
            let (node_id, name): (Arc<str>, Arc<str>) = (node_id.into(), name.into());
            if wanted(&node_id) && !instances.taken.contains_key(&name) {
                instances.taken.insert(name.clone(), node_id.clone());
                instances.given.insert(node_id, (hostname.into(), name));
            }
        }
        Ok(instances)
    }

    /// All names as text, when they changed since.
    pub(crate) fn changed(&mut self) -> Option<String> {
        mem::take(&mut self.has_changed).then(|| {
            let all: BTreeMap<&str, (&str, &str)> =
                self.given.iter().map(|(id, (of, name))| (&**id, (&**of, &**name))).collect();
            serde_json::to_string_pretty(&all).expect("texts always have a JSON form")
        })
    }

    /// What was put into text last is not where it should be.
    pub(crate) fn not_written(&mut self) {
        self.has_changed = true;
    }

    /// The name of a node: its host name, or when another node has it, with the beginning of its
    /// identity behind it. A node keeps its name until its host name changes.
    pub(crate) fn of(&mut self, node_id: &Arc<str>, hostname: &str) -> Arc<str> {
        if let Some((of, name)) = self.given.get(node_id)
            && **of == *hostname
        {
            return name.clone();
        }
        if let Some((_, old)) = self.given.remove(node_id) {
            self.taken.remove(&old);
        }
        let name = self.free(node_id, hostname);
        self.has_changed = true;
        self.given.insert(node_id.clone(), (hostname.into(), name.clone()));
        self.taken.insert(name.clone(), node_id.clone());
        name
    }

    /// Lets the name of a node go that is not heard of any more.
    pub(crate) fn forget(&mut self, node_id: &str) {
        if let Some((_, name)) = self.given.remove(node_id) {
            self.taken.remove(&name);
            self.has_changed = true;
        }
    }

    fn free(&self, node_id: &str, hostname: &str) -> Arc<str> {
        // A label without a text is no label, and a node has to have one.
        let hostname = if hostname.is_empty() { node_id } else { hostname };
        let is_free = |name: &str| !self.taken.contains_key(name);
        if is_free(hostname) {
            return hostname.into();
        }
        let ends = node_id.char_indices().map(|(at, c)| at + c.len_utf8()).skip(7);
        let longer = ends.map(|end| format!("{hostname}-{}", &node_id[..end]));
        // Identities differ, so at the latest the whole of it does.
        let whole = format!("{hostname}-{node_id}");
        longer.chain([whole]).find(|name| is_free(name)).unwrap_or_else(|| node_id.to_owned()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_of_a_name_gets_its_identity_behind_it() {
        let mut instances = Instances::default();
        let ids: Vec<Arc<str>> = ["aaaaaaaa1111", "bbbbbbbb2222", "bbbbbbbb3333", "cc"].map(Arc::from).into();
        let name = |instances: &mut Instances, i: usize, host: &str| instances.of(&ids[i], host).to_string();
        assert_eq!(name(&mut instances, 0, "web"), "web");
        assert_eq!(name(&mut instances, 1, "web"), "web-bbbbbbbb");
        assert_eq!(name(&mut instances, 2, "web"), "web-bbbbbbbb3");
        assert_eq!(name(&mut instances, 3, "web"), "web-cc");
        // Nothing changes for those who have theirs.
        assert_eq!(name(&mut instances, 1, "web"), "web-bbbbbbbb");
        assert_eq!(name(&mut instances, 0, "web"), "web");
    }

    #[test]
    fn a_renamed_host_gets_a_new_name_and_leaves_the_old_one() {
        let mut instances = Instances::default();
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        assert_eq!(&*instances.of(&a, "debian"), "debian");
        assert_eq!(&*instances.of(&a, "web"), "web");
        assert_eq!(&*instances.of(&b, "debian"), "debian");
        instances.forget("a");
        assert_eq!(&*instances.of(&b, "web"), "web");
        assert_eq!((instances.given.len(), instances.taken.len()), (1, 1));
    }

    #[test]
    fn after_a_restart_all_have_the_names_they_had() {
        let mut before = Instances::default();
        let (a, b): (Arc<str>, Arc<str>) = ("aaaaaaaaaa".into(), "bbbbbbbbbb".into());
        assert_eq!(before.changed(), None);
        // In the order of the identities it would be the other way round.
        assert_eq!((&*before.of(&b, "web"), &*before.of(&a, "web")), ("web", "web-aaaaaaaa"));
        let text = before.changed().unwrap();
        assert_eq!(before.changed(), None);
        let mut after = Instances::read(text.as_bytes(), |_| true).unwrap();
        assert_eq!((&*after.of(&a, "web"), &*after.of(&b, "web")), ("web-aaaaaaaa", "web"));
        assert_eq!(after.changed(), None);
        let mut others = Instances::read(text.as_bytes(), |id| id == "aaaaaaaaaa").unwrap();
        assert_eq!(&*others.of(&b, "web"), "web");
        let twice = br#"{"a":["web","web"],"b":["web","web"]}"#;
        assert_eq!(Instances::read(twice, |_| true).unwrap().given.len(), 1);
        assert!(Instances::read(b"[]", |_| true).is_err());
    }

    #[test]
    fn a_host_without_a_name_has_its_identity() {
        assert_eq!(&*Instances::default().of(&"id".into(), ""), "id");
    }
}
