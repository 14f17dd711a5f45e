# For other scripts to read: lists of apt of its own, which know what this machine's do not, beside whatever is installed.

# debian_mirror is where this machine's apt fetches Debian from.
debian_mirror() {
	apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(REPO_URI)' | awk '$1 == "Debian" && $2 == "main" && $3 !~ /security/ { print $3; found = 1; exit }
		END { if (!found) { print "apt knows no mirror of Debian: run apt-get update" >"/dev/stderr"; exit 1 } }'
}

# own_apt DIRECTORY deb|deb-src SUITE...: from here on apt knows what is in these suites of Debian, and takes nothing for
# installed. What it fetches stays in DIRECTORY.
own_apt() {
	apt=$1 kind=$2
	shift 2
	from=$(debian_mirror)
	mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/parts"
	: >"$apt/status"
	for suite in "$@"; do
		echo "$kind [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $from $suite main"
	done >"$apt/sources"
	cat >"$apt/conf" <<-end
		Dir::State::status "$apt/status";
		Dir::State::lists "$apt/lists";
		Dir::Cache "$apt/cache";
		Dir::Etc::sourcelist "$apt/sources";
		Dir::Etc::sourceparts "$apt/parts";
		Dir::Etc::preferencesparts "$apt/parts";
		APT::Sandbox::User "";
	end
	export APT_CONFIG="$apt/conf"
	apt-get update -q
}

# clean_debian SUITE KEPT DIRECTORY: a minimal system is put into a directory. It is fetched once, and kept in a file.
clean_debian() {
	if [ -e "$2" ]; then
		tar -C "$3" -xf "$2"
	else
		debootstrap --variant=minbase "$1" "$3" "$(debian_mirror)"
		mkdir -p "$(dirname "$2")"
		tar -C "$3" -cf "$2.new" .
		mv "$2.new" "$2"
	fi
	chmod 755 "$3"
}
