# git: commits, branches, a merge with a conflict, clone, push, gc.
export HOME=$PWD GIT_AUTHOR_DATE='2026-01-01T00:00:00Z' GIT_COMMITTER_DATE='2026-01-01T00:00:00Z'
git config --global user.name K; git config --global user.email k@k; git config --global init.defaultBranch main; git config --global advice.detachedHead false
git init -q repo; cd repo; for i in $(seq 20); do echo "file $i" > "f$i"; done; git add .; git commit -qm first; git rev-parse HEAD
git checkout -qb side; sed -i s/file/FILE/ f1; git commit -qam side; git checkout -q main; echo main >> f1; git commit -qam main
git merge side 2>&1 | tail -1; git status --short; printf 'resolved\n' > f1; git commit -qam merged; git log --oneline --graph | cut -c1-40; git rev-parse HEAD
git tag -a v1 -m one; git describe; git diff HEAD~1 --stat | tail -1; git blame f1 | wc -l; git stash list | wc -l; git rm -q f20; git stash -q; ls f20; git stash pop -q; ls f20 2>/dev/null || echo removed; git reset -q --hard
cd ..; git clone -q repo other; cd other; echo pushed > g; git add g; git commit -qm pushed; git push -q origin HEAD:refs/heads/pushed; cd ../repo; git branch | sort; git show pushed:g
git gc -q; git fsck 2>&1 | tail -1; git count-objects -v | grep -c in-pack; git archive v1 | tar t | wc -l; git grep -c FILE || echo none; git rebase -q main pushed; git log -1 --format=%s
